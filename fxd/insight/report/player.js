"use strict";
// Sounds that play in lockstep: all of them run all the time, and what is heard is a matter of their gains.
// So a switch keeps the position to the sample, and nothing is started or stopped for it.
globalThis.fxdSound = (() => {
  // Long enough not to click, short enough to feel immediate. Linear, as the sounds are nearly the same: their
  // sum stays as loud as each.
  const FADE_SECONDS = 0.012;
  let shared = null;
  let current = null;

  const audioContext = () => (shared ??= new AudioContext());

  function bytesOf(text) {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let place = 0; place < characters.length; place++) bytes[place] = characters.charCodeAt(place);
    return bytes.buffer;
  }

  const amplitude = (decibels) => 10 ** (decibels / 20);

  // Its message is for the reader: what cannot be played here, and what to do.
  class Unplayable extends Error {}

  async function decoded(article, take) {
    const bytes = bytesOf(take.textContent);
    try {
      return await audioContext().decodeAudioData(bytes);
    } catch {
      // Browsers reject with different things, some with nothing; all of them mean the same.
      throw new Unplayable(article.dataset.unplayable);
    }
  }

  // The sounds of an excerpt by name, decoded at the first call. Throws Unplayable.
  async function load(article) {
    if (article.sounds) return article.sounds;
    const context = audioContext();
    const takes = [...article.querySelectorAll("script.take")];
    const buffers = await Promise.all(takes.map((take) => decoded(article, take)));
    const sounds = new Map(takes.map((take, number) => [take.dataset.source, buffers[number]]));
    if (article.dataset.difference) {
      const gains = Object.fromEntries(takes.map((take) => [take.dataset.source, Number(take.dataset.gain)]));
      const trim = Number(article.dataset.trim);
      sounds.set("difference", difference(context, sounds, gains, trim, Number(article.dataset.difference)));
    }
    return (article.sounds = sounds);
  }

  // TCN less DSP, without the gains that made them equally loud, raised so that it can be heard.
  function difference(context, sounds, gains, trim, raise) {
    const dsp = sounds.get("dsp");
    const tcn = sounds.get("tcn");
    const made = context.createBuffer(dsp.numberOfChannels, dsp.length, dsp.sampleRate);
    const ofDsp = amplitude(raise - gains.dsp - trim);
    const ofTcn = amplitude(raise - gains.tcn - trim);
    for (let channel = 0; channel < dsp.numberOfChannels; channel++) {
      const [a, b, d] = [dsp, tcn, made].map((buffer) => buffer.getChannelData(channel));
      for (let frame = 0; frame < d.length; frame++) d[frame] = ofTcn * b[frame] - ofDsp * a[frame];
    }
    return made;
  }

  class Playback {
    constructor(context, sounds, heard, position = 0) {
      this.context = context;
      this.heard = heard;
      this.seconds = Math.min(...[...sounds.values()].map((buffer) => buffer.duration));
      this.began = context.currentTime - position;
      this.voices = new Map();
      for (const [name, buffer] of sounds) {
        const source = new AudioBufferSourceNode(context, { buffer, loop: true, loopEnd: this.seconds });
        const gain = new GainNode(context, { gain: name === heard ? 1 : 0 });
        source.connect(gain).connect(context.destination);
        source.start(context.currentTime, position);
        this.voices.set(name, { source, gain: gain.gain });
      }
    }

    get position() {
      return (this.context.currentTime - this.began) % this.seconds;
    }

    hear(name) {
      if (name === this.heard) return;
      const now = this.context.currentTime;
      for (const [other, voice] of this.voices) {
        voice.gain.cancelScheduledValues(now);
        voice.gain.setValueAtTime(voice.gain.value, now);
        voice.gain.linearRampToValueAtTime(other === name ? 1 : 0, now + FADE_SECONDS);
      }
      this.heard = name;
    }

    stop() {
      for (const { source } of this.voices.values()) source.stop();
    }
  }

  // One thing plays at a time: whoever begins ends the other.
  function take(owner) {
    if (current && current !== owner) current.pause();
    current = owner;
    return audioContext().resume();
  }

  class Player {
    constructor(article) {
      this.article = article;
      this.button = article.querySelector(".play");
      this.slider = article.querySelector(".position");
      this.head = article.querySelector(".playhead");
      this.clock = article.querySelector(".clock");
      this.trouble = article.querySelector(".trouble");
      this.radios = [...article.querySelectorAll(".source input")];
      this.playback = null;
      this.rest = 0;
      this.button.addEventListener("click", () => this.toggle());
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      for (const radio of this.radios) radio.addEventListener("change", () => this.playback?.hear(radio.value));
      article.querySelector(".player").addEventListener("keydown", (event) => this.key(event));
    }

    get heard() {
      return this.radios.find((radio) => radio.checked).value;
    }

    get position() {
      return this.playback ? this.playback.position : this.rest;
    }

    async toggle() {
      if (this.playback) return this.pause();
      this.trouble.textContent = "";
      await take(this);
      const sounds = await this.load();
      if (sounds === null || current !== this || this.playback) return;
      this.playback = new Playback(audioContext(), sounds, this.heard, this.rest);
      this.button.textContent = "Pause";
      this.button.classList.add("playing");
      this.draw();
    }

    // The sounds, or null where this browser cannot play them, which is then said.
    async load() {
      try {
        return await load(this.article);
      } catch (error) {
        if (!(error instanceof Unplayable)) throw error;
        this.trouble.textContent = error.message;
        return null;
      }
    }

    pause() {
      if (!this.playback) return;
      this.rest = this.playback.position;
      this.playback.stop();
      this.playback = null;
      this.button.textContent = "Play";
      this.button.classList.remove("playing");
      this.show();
    }

    seek(position) {
      this.rest = Math.min(position, Number(this.article.dataset.seconds) - 0.01);
      if (this.playback) {
        const sounds = this.article.sounds;
        this.playback.stop();
        this.playback = new Playback(audioContext(), sounds, this.heard, this.rest);
      }
      this.show();
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const radio = this.radios[Number(event.key) - 1];
      if (radio) {
        radio.checked = true;
        this.playback?.hear(radio.value);
      } else if (event.key.toLowerCase() === "p") {
        this.toggle();
      } else {
        return;
      }
      event.preventDefault();
    }

    draw() {
      if (!this.playback) return;
      this.show();
      requestAnimationFrame(() => this.draw());
    }

    show() {
      const position = this.position;
      this.slider.value = position;
      this.head.style.left = `${(100 * position) / Number(this.article.dataset.seconds)}%`;
      const tenths = Math.floor(position * 10);
      this.clock.textContent = `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
    }
  }

  const articles = [...document.querySelectorAll("article.sound")];
  const players = articles.map((article) => new Player(article));
  // Somebody may have begun another one while sounds were still decoded.
  const isPlaying = (who) => current === who;
  return { articles, players, load, take, isPlaying, Playback, Unplayable, audioContext };
})();
