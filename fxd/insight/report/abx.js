"use strict";
// The blind test: X is A or B by a fair coin; the number of trials is settled before the first.
globalThis.fxdBlindTest = (() => {
  const sound = globalThis.fxdSound;
  const SOURCES = { a: "dsp", b: "tcn" };
  // Less of X than this is no listening: a key that bounced, or sound that is still on its way to the ears.
  const LEAST_SECONDS = 0.1;

  // How likely guessing gives so many right answers or more: the upper tail of the binomial distribution.
  function chance(right, trials) {
    let ways = 1;
    let sum = 0;
    for (let count = 0; count <= trials; count++) {
      if (count >= right) sum += ways;
      ways = (ways * (trials - count)) / (count + 1);
    }
    return sum / 2 ** trials;
  }

  const coin = () => (crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? "a" : "b");

  function verdict(right, trials) {
    const p = chance(right, trials);
    const shown = p < 0.001 ? p.toExponential(1) : p.toFixed(3);
    const said = `${right} of ${trials} right, p = ${shown}: `;
    if (p < 0.05) return `${said}you hear a difference. By guessing so many would be right in one test of ${Math.round(1 / p).toLocaleString("en")}.`;
    return `${said}no difference was shown. Guessing does as well in ${Math.round(100 * p)} of 100 tests; that does not prove that there is none.`;
  }

  class BlindTest {
    constructor(box) {
      const find = (selector) => box.querySelector(selector);
      this.setup = find(".setup");
      this.panel = find(".trial");
      this.which = find(".which");
      this.count = find(".trials");
      this.status = find(".status");
      this.listen = [...box.querySelectorAll("[data-hear]")];
      this.playback = null;
      this.trials = 0;
      this.xSeconds = 0;
      this.xSince = null;
      find(".start").addEventListener("click", () => this.start());
      for (const button of this.listen) button.addEventListener("click", () => this.hear(button.dataset.hear));
      for (const button of box.querySelectorAll("[data-answer]")) {
        button.addEventListener("click", () => this.answer(button.dataset.answer));
      }
      box.addEventListener("keydown", (event) => this.key(event));
    }

    async start() {
      this.trials = Number(this.count.value);
      this.done = this.right = 0;
      this.setup.hidden = true;
      this.panel.hidden = false;
      this.draw();
      this.listen[1].focus();
      await this.hear("x");
    }

    draw() {
      this.x = coin();
      this.xSeconds = 0;
      this.xSince = null;
      this.say("");
    }

    say(text) {
      this.status.textContent = `Trial ${this.done + 1} of ${this.trials}${text}`;
    }

    async hear(letter) {
      this.letter = letter;
      for (const button of this.listen) button.setAttribute("aria-pressed", String(button.dataset.hear === letter));
      if (!this.playback) {
        await sound.take(this);
        const sounds = await this.load();
        if (sounds === null || this.playback || !this.trials || !sound.isPlaying(this)) return;
        const both = new Map(Object.values(SOURCES).map((name) => [name, sounds.get(name)]));
        this.playback = new sound.Playback(sound.audioContext(), both, this.source);
      }
      this.playback.hear(this.source);
      this.countX(this.letter === "x");
    }

    // The sounds, or null where this browser cannot play them: then no trial can be, and that is said.
    async load() {
      try {
        return await sound.load(sound.articles[Number(this.which.value)]);
      } catch (error) {
        if (!(error instanceof sound.Unplayable)) throw error;
        this.end(error.message);
        return null;
      }
    }

    // By the clock of the sounds, which stands still while none can go out.
    get isXHeard() {
      const running = this.xSince === null ? 0 : sound.audioContext().currentTime - this.xSince;
      return this.xSeconds + running >= LEAST_SECONDS;
    }

    // From now on X is heard, or something else.
    countX(isHeard) {
      const now = sound.audioContext().currentTime;
      if (this.xSince !== null) this.xSeconds += now - this.xSince;
      this.xSince = isHeard ? now : null;
    }

    get source() {
      return SOURCES[this.letter === "x" ? this.x : this.letter];
    }

    answer(letter) {
      if (!this.trials) return;
      // It would be counted into a p-value that claims to tell of hearing.
      if (!this.isXHeard) return this.say(": listen to X first. That answer was not counted.");
      this.done += 1;
      this.right += letter === this.x ? 1 : 0;
      if (this.done === this.trials) return this.end(verdict(this.right, this.trials));
      this.draw();
      this.hear("x");
    }

    end(text) {
      this.status.textContent = text;
      this.trials = 0;
      this.pause();
      this.panel.hidden = true;
      this.setup.hidden = false;
      this.setup.querySelector(".start").focus();
    }

    pause() {
      if (this.playback) this.countX(false);
      this.playback?.stop();
      this.playback = null;
      for (const button of this.listen) button.setAttribute("aria-pressed", "false");
    }

    key(event) {
      if (!this.trials || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      const letter = event.key.toLowerCase();
      if (["a", "b", "x"].includes(letter)) this.hear(letter);
      else if (letter === "1" || letter === "2") this.answer(letter === "1" ? "a" : "b");
      else return;
      event.preventDefault();
    }
  }

  const tests = [...document.querySelectorAll(".abx")].map((box) => new BlindTest(box));
  return { chance, verdict, tests };
})();
