// The controls: what they offer comes from the model, what they say goes into a request.

const FIRST_STOP = 64;
const NAMES = { awgn: "AWGN", rayleigh: "Rayleigh fading" };
const $ = (id) => document.getElementById(id);

export class Controls {
  /** `draft(field)` is called while something is dragged, `change(field)` when it has changed. */
  constructor({ change, draft }) {
    Object.assign(this, { change, draft, model: null, k: 0, stops: [], parts: new Set() });
  }

  /** Offer what `model` offers. */
  begin(model) {
    this.model = model;
    $("k").max = model.ks.length - 1;
    $("channel").replaceChildren(...model.channels.map((name) => new Option(NAMES[name] ?? name, name)));
    $("parts").replaceChildren(...model.parts.map((part) => this.#partButton(part)));
    this.#setK(model.k);
    this.#sayFirst();
    this.#saySnr();
    this.#on("k", "k", () => this.#setK(this.model.ks[$("k").value]));
    this.#on("snr", "snr", () => this.#saySnr());
    this.#on("first", "k", () => this.#sayFirst());
    $("k-number").addEventListener("change", () => {
      this.#setK(Math.round($("k-number").valueAsNumber) || model.k);
      this.change("k");
    });
    for (const [id, field] of [["channel", "channel"], ["codes-only", "k"], ["mode", "hide"]])
      $(id).addEventListener("change", () => this.change(field));
  }

  /** What the controls say, as a request. */
  asked() {
    return {
      k: this.k,
      snr_db: $("snr").valueAsNumber,
      channel: $("channel").value,
      codes_only: $("codes-only").checked,
      hide: [...this.parts],
      mode: $("mode").value,
    };
  }

  /** How many symbols have arrived yet; null for all. */
  first() {
    const stop = this.stops[$("first").value];
    return stop === undefined || stop >= this.k ? null : stop;
  }

  hidden() {
    return this.parts;
  }

  get lastStop() {
    return this.stops.length - 1;
  }

  showStop(stop) {
    $("first").value = stop;
    this.#sayFirst();
  }

  toggle(part) {
    this.#hide(part, !this.parts.has(part));
    this.toggled = part;
    this.change("hide");
  }

  /** Take back the last part that was hidden: the service refused it. */
  takeBack() {
    if (this.toggled) this.#hide(this.toggled, false);
  }

  /** Offer the parts that are in a photograph; `labels` are their numbers, null where nobody knows. */
  offerParts(labels) {
    const there = labels && new Set(labels);
    this.model.parts.forEach((part, number) => {
      const missing = Boolean(there) && !there.has(number);
      $(`part-${part}`).disabled = missing;
      if (missing) this.#hide(part, false);
    });
  }

  #hide(part, hidden) {
    if (hidden) this.parts.add(part);
    else this.parts.delete(part);
    $(`part-${part}`).setAttribute("aria-pressed", hidden);
  }

  #on(id, field, say) {
    $(id).addEventListener("input", () => {
      say();
      this.draft(field);
    });
    $(id).addEventListener("change", () => this.change(field));
  }

  #partButton(part) {
    const button = Object.assign(document.createElement("button"), { type: "button", id: `part-${part}`, textContent: part });
    button.setAttribute("aria-pressed", false);
    button.addEventListener("click", () => this.toggle(part));
    return button;
  }

  #setK(k) {
    this.k = k;
    const { ks } = this.model;
    const far = ks.map((other) => Math.abs(Math.log(other / k)));
    $("k").value = far.indexOf(Math.min(...far));
    $("k").setAttribute("aria-valuetext", `k = ${k}`);
    $("k-number").value = k;
    const n = 3 * this.model.size ** 2;
    $("k-hint").textContent = `${k / 2} complex symbols · k/n = ${Number(((3072 * k) / n).toFixed(2))}/3072`;
    $("k-hint").title = `n = ${n.toLocaleString("en")}: width × height × 3`;
    this.stops = [];
    for (let stop = FIRST_STOP; stop < k; stop *= Math.SQRT2) this.stops.push(2 * Math.round(stop / 2));
    this.stops.push(k);
    $("first").max = this.lastStop;
    $("first").value = this.lastStop;
    this.#sayFirst();
  }

  #sayFirst() {
    const first = this.first();
    $("first-text").textContent = first === null ? `all ${this.k}` : `${first} of ${this.k}`;
  }

  #saySnr() {
    $("snr-text").textContent = `${$("snr").value} dB`;
  }
}
