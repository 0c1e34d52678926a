// The camera: single pictures, and frames through the channel. At most three frames are under way, one that is sent, one
// that is received and one that waits; a frame of the camera that finds three is not sent at all.

const UNDER_WAY = 3;
const WIDTH = 480;
const QUALITY = 0.85;
const RATE_MS = 3000;

export class Camera {
  constructor(video) {
    this.video = video;
  }

  get on() {
    return Boolean(this.video.srcObject);
  }

  async start() {
    if (!navigator.mediaDevices) throw new Error("the browser gives a camera to localhost and https addresses alone");
    try {
      const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
      this.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      const why = { NotAllowedError: "the browser was not allowed to use the camera; allow it beside the address" };
      throw new Error(why[error.name] ?? "there is no camera that the browser can use; choose a file");
    }
    await this.video.play();
  }

  stop() {
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }

  /** The picture at hand as JPEG, at most `width` pixels wide. */
  picture(width = this.video.videoWidth) {
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, width / this.video.videoWidth);
    canvas.width = Math.round(this.video.videoWidth * scale);
    canvas.height = Math.round(this.video.videoHeight * scale);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }
}

export class Live {
  /** `show(figures, sent, received)` gets every answer, `failed(message)` what went wrong. */
  constructor(camera, show, failed) {
    Object.assign(this, { camera, show, failed, socket: null, sent: 0, answered: 0, times: [], dropped: 0 });
  }

  get on() {
    return Boolean(this.socket);
  }

  start(asked) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    Object.assign(this, { socket, sent: 0, answered: 0, times: [], dropped: 0 });
    socket.onopen = () => {
      this.ask(asked);
      this.#next();
    };
    socket.onmessage = (event) => this.#answer(event.data);
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.failed(event.reason || "the service ended the connection; start live again");
    };
  }

  stop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** From now on frames are sent so. */
  ask(asked) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(asked));
  }

  get rate() {
    const now = performance.now();
    this.times = this.times.filter((time) => now - time < RATE_MS);
    if (this.times.length < 2) return 0;
    return (1000 * (this.times.length - 1)) / (this.times.at(-1) - this.times[0]);
  }

  #next() {
    if (!this.on) return;
    const again = () => this.#next();
    if (this.camera.video.requestVideoFrameCallback) this.camera.video.requestVideoFrameCallback(again);
    else setTimeout(again, 33);
    if (this.sent - this.answered < UNDER_WAY) this.#send();
    else this.dropped += 1;
  }

  async #send() {
    const socket = this.socket;
    const number = ++this.sent;
    const frame = await this.camera.picture(WIDTH);
    if (socket !== this.socket || socket.readyState !== WebSocket.OPEN) return;
    const head = new DataView(new ArrayBuffer(4));
    head.setUint32(0, number);
    socket.send(new Blob([head.buffer, frame]));
  }

  #answer(data) {
    const length = new DataView(data).getUint32(0);
    const figures = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.answered = Math.max(this.answered, figures.number);
    if (figures.error) return this.failed(figures.error);
    this.times.push(performance.now());
    const start = 4 + length;
    const sent = data.slice(start, start + figures.sent_bytes);
    this.show(figures, sent, data.slice(start + figures.sent_bytes));
  }
}
