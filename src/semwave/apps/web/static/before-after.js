// <before-after>: the sent picture left of a divider, the received one right of it. A click on the sent picture chooses
// the part that the parser sees there (event "part").

const GRID = 128;
const FINE = 4;
const STEP = 5;
const CLICK_PIXELS = 4;

class BeforeAfter extends HTMLElement {
  connectedCallback() {
    this.innerHTML = `
      <div class="stage" data-empty>
        <img class="received" alt="Received picture" draggable="false">
        <div class="left">
          <img class="sent" alt="Sent picture" draggable="false">
          <canvas class="private" width="${GRID * FINE}" height="${GRID * FINE}" role="img" aria-label="What is hidden"></canvas>
        </div>
        <span class="label sent-label">sent</span><span class="label received-label">received</span>
        <span class="label part-label" hidden></span>
        <div class="divider" role="slider" tabindex="0" aria-label="Divider between sent and received"
          aria-valuemin="0" aria-valuemax="100"></div>
        <p class="empty">Choose a photograph or an example.</p>
      </div>`;
    this.stage = this.querySelector(".stage");
    this.divider = this.querySelector(".divider");
    this.labels = null;
    this.at = 50;
    this.stage.addEventListener("pointerdown", (event) => this.#press(event));
    this.stage.addEventListener("pointermove", (event) => this.#point(event));
    this.stage.addEventListener("pointerleave", () => this.#name(""));
    this.divider.addEventListener("keydown", (event) => this.#key(event));
  }

  get at() {
    return this.position;
  }

  set at(percent) {
    this.position = Math.min(100, Math.max(0, percent));
    this.stage.style.setProperty("--at", `${this.position}%`);
    this.divider.setAttribute("aria-valuenow", Math.round(this.position));
    this.divider.setAttribute("aria-valuetext", `${Math.round(this.position)} % of the picture is the sent one`);
  }

  /** Show the pictures at these addresses; what is not given stays. */
  show({ sent, received }) {
    for (const [name, address] of Object.entries({ sent, received })) {
      if (!address) continue;
      const picture = this.querySelector(`img.${name}`);
      const before = picture.src;
      picture.src = address;
      picture.decode().catch(() => {}).finally(() => before.startsWith("blob:") && URL.revokeObjectURL(before));
    }
    this.stage.removeAttribute("data-empty");
  }

  /** Parts of the sent picture, GRID x GRID numbers in `names`; null without. */
  setParts(labels, names) {
    this.labels = labels;
    this.names = names;
  }

  /** Hatch where `isPrivate(index)` holds, an index of the grid. */
  hatch(isPrivate) {
    const context = this.querySelector("canvas.private").getContext("2d");
    const size = GRID * FINE;
    const picture = context.createImageData(size, size);
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        if (!isPrivate(Math.floor(y / FINE) * GRID + Math.floor(x / FINE))) continue;
        const stripe = (x + y) % 24 < 9;
        picture.data.set(stripe ? [255, 255, 255, 190] : [20, 24, 30, 190], 4 * (y * size + x));
      }
    context.putImageData(picture, 0, 0);
  }

  #place(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  #part(event) {
    const { x, y } = this.#place(event);
    if (!this.labels || x * 100 > this.at || x < 0 || y < 0 || y >= 1) return null;
    return this.names[this.labels[Math.floor(y * GRID) * GRID + Math.floor(x * GRID)]] ?? null;
  }

  #name(part) {
    const label = this.querySelector(".part-label");
    label.textContent = part ?? "";
    label.hidden = !part;
  }

  #point(event) {
    this.#name(event.buttons ? "" : this.#part(event));
  }

  #press(event) {
    if (event.button) return;
    const start = event.clientX;
    let dragged = event.target === this.divider;
    const move = (next) => {
      dragged ||= Math.abs(next.clientX - start) > CLICK_PIXELS;
      if (dragged) this.at = this.#place(next).x * 100;
    };
    const end = (last) => {
      this.stage.removeEventListener("pointermove", move);
      const part = !dragged && last.type === "pointerup" && this.#part(last);
      if (part) this.dispatchEvent(new CustomEvent("part", { detail: part }));
    };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("lostpointercapture", () => this.stage.removeEventListener("pointermove", move), { once: true });
    this.stage.addEventListener("pointerup", end, { once: true });
  }

  #key(event) {
    const to = { ArrowLeft: this.at - STEP, ArrowRight: this.at + STEP, Home: 0, End: 100 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.at = to;
  }
}

customElements.define("before-after", BeforeAfter);
