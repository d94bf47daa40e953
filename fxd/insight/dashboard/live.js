// Puts into the page what the server says, part by part, and says when it says nothing any more.
"use strict";

const link = document.getElementById("link");
const said = document.getElementById("said");
const STALE_MS = 1000 * Number(link.dataset.stale);
const RETRY_MS = 5000;
const MOST_SAID = 3;
const MOST_REASON = 200;
let source = null;
let server = null;
// "connecting" until the server says something, then "live"; "stale" where it falls silent, "refused" where it says
// why this page may not follow.
let state = "connecting";
let reason = "";
let heard = Date.now(); // how old the page is: it came from the server, too
let waiting = heard; // since when nothing more came, or since there is somebody who waits for it
let tried = 0;

// Makes `old` like `wanted` with as few changes as can be: focus, selection and moving bars stay.
function patch(old, wanted) {
  if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName || key(old) !== key(wanted)) {
    old.replaceWith(wanted.cloneNode(true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    const isOurs = old.nodeName === "DETAILS" && name === "open";
    if (!wanted.hasAttribute(name) && !isOurs) old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  patchChildren(old, wanted);
}

function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key ?? null : null;
}

function patchChildren(old, wanted) {
  const kept = new Map([...old.children].filter((child) => key(child) !== null).map((child) => [key(child), child]));
  let next = old.firstChild;
  for (const child of wanted.childNodes) {
    const known = key(child) === null ? null : kept.get(key(child));
    if (known && known !== next) {
      old.insertBefore(known, next);
      next = known;
    } else if (!known && (next === null || key(child) !== null || key(next) !== null)) {
      old.insertBefore(child.cloneNode(true), next);
      continue;
    }
    const current = next;
    next = next.nextSibling;
    patch(current, child);
  }
  while (next !== null) {
    const rest = next;
    next = next.nextSibling;
    rest.remove();
  }
}

function show(name, html) {
  const part = document.getElementById(name);
  if (part === null) return;
  const wanted = document.createElement("template");
  wanted.innerHTML = html;
  const wasShown = part.firstElementChild !== null;
  const before = rows(part);
  patchChildren(part, wanted.content);
  if (name === "runs" && wasShown) announce([...rows(part)].filter(([id]) => !before.has(id)));
}

function rows(part) {
  return new Map([...part.querySelectorAll("tr[data-key]")].map((row) => [row.dataset.key, row]));
}

// New runs, newest first: a few are told one by one, many by their number.
function announce(fresh) {
  for (const [, row] of fresh) row.classList.add("fresh");
  if (fresh.length === 0) return;
  const texts = fresh.map(([, row]) => row.dataset.said).reverse();
  said.textContent = fresh.length > MOST_SAID ? `${fresh.length} new runs` : texts.join(". ");
}

function connect() {
  if (source !== null) source.close();
  tried = Date.now();
  source = new EventSource("/events");
  source.addEventListener("hello", (event) => {
    const id = JSON.parse(event.data);
    if (server !== null && server !== id) location.reload();
    server = id;
    hear();
  });
  source.addEventListener("part", (event) => {
    const { name, html } = JSON.parse(event.data);
    show(name, html);
    hear();
  });
  source.addEventListener("beat", hear);
  source.addEventListener("error", (event) => {
    if (event.target.readyState === EventSource.CLOSED) askWhy(event.target);
  });
}

// The server refused, and an EventSource is not told why. Where it no longer knows our token, the page says what to do.
async function askWhy(refused) {
  try {
    const answer = await fetch("/events", { cache: "no-store", signal: AbortSignal.timeout(RETRY_MS) });
    if (answer.status === 401) return location.reload();
    if (answer.ok) return void answer.body.cancel(); // by now it would let us follow, and such an answer has no end
    const text = await reasonIn(answer);
    if (source === refused) refuse(text);
  } catch {
    // It is away: it is tried again anyway.
  }
}

// What the server itself says; what stands before one may answer with a page of its own.
async function reasonIn(answer) {
  const isText = (answer.headers.get("content-type") ?? "").startsWith("text/plain");
  const text = isText ? (await answer.text()).trim() : "";
  return text.slice(0, MOST_REASON) || `status ${answer.status}`;
}

function refuse(text) {
  reason = text;
  waiting = Date.now();
  become("refused");
}

function hear() {
  heard = waiting = Date.now();
  become("live");
}

// Who cannot see the line at the top is told when the page ceases to follow, and when it follows again.
function become(next) {
  const was = link.textContent;
  const wasLost = isLost();
  state = next;
  tell();
  if (isLost() && link.textContent !== was) said.textContent = link.textContent;
  else if (wasLost && state === "live") said.textContent = "The page follows again.";
}

const isLost = () => state === "stale" || state === "refused";

function tell() {
  const at = new Date(heard).toLocaleTimeString();
  const text = {
    connecting: `Connecting; this is how things were at ${at}`,
    live: "live",
    stale: `No connection to the server; this is how things were at ${at}. Trying again.`,
    refused: `The server does not let this page follow: “${reason}” This is how things were at ${at}. Trying again.`,
  }[state];
  if (link.textContent !== text) link.textContent = text;
  link.className = { connecting: "link", live: "link live" }[state] ?? "link stale";
  document.body.classList.toggle("stale-page", Date.now() - heard > STALE_MS);
}

// A page that nobody sees asks for nothing; a browser has few connections to one server, and every tab takes one.
function follow() {
  if (document.hidden) {
    if (source !== null) source.close();
    source = null;
    return;
  }
  // What is shown may be hours old, and the server gone since; an earlier warning holds until it speaks.
  waiting = Date.now();
  if (state === "live") state = "connecting";
  connect();
  tell();
}

document.addEventListener("visibilitychange", follow);
setInterval(() => {
  if (source === null) return;
  // Where the server refused, or the connection is dead without having ended, the browser does not try again.
  const isSilent = Date.now() - waiting > STALE_MS;
  if (isSilent) become("stale");
  const isDead = source.readyState === EventSource.CLOSED || isSilent;
  if (isDead && Date.now() - tried > RETRY_MS) connect();
  tell();
}, 2000);
follow();
