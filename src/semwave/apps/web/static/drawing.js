// The constellation and the table of stages.

const REACH = 3;

/** Received complex symbols, real and imaginary part in turn, in a square from -REACH to REACH. */
export function drawConstellation(canvas, symbols) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name);
  const { width, height } = canvas;
  const x = (value) => ((value + REACH) / (2 * REACH)) * width;
  const y = (value) => height - ((value + REACH) / (2 * REACH)) * height;
  context.clearRect(0, 0, width, height);
  context.strokeStyle = colour("--line");
  context.beginPath();
  context.moveTo(x(-REACH), y(0));
  context.lineTo(x(REACH), y(0));
  context.moveTo(x(0), y(-REACH));
  context.lineTo(x(0), y(REACH));
  context.stroke();
  context.beginPath();
  context.arc(x(0), y(0), x(1) - x(0), 0, 2 * Math.PI);
  context.stroke();
  context.fillStyle = colour("--point");
  context.globalAlpha = 0.7;
  for (let i = 0; i < symbols.length; i += 2) context.fillRect(x(symbols[i]) - 1.5, y(symbols[i + 1]) - 1.5, 3, 3);
  context.globalAlpha = 1;
}

const WORDS = {
  align: "find and align the face", invert: "invert: picture to codes", encode: "encode: codes to symbols",
  channel: "channel", decode: "decode: symbols to codes", generate: "generate: draw the picture",
};

/** Seconds in the unit that suits them. */
export const duration = (seconds) =>
  seconds < 1 ? `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;

/** Rows of the table of stages; those of `once` were done for an earlier picture already. */
export function listStages(table, seconds, once = []) {
  const rows = Object.entries(seconds).map(([stage, value]) => {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { textContent: WORDS[stage] ?? stage, scope: "row" });
    const time = duration(value);
    row.append(head, Object.assign(document.createElement("td"), { textContent: once.includes(stage) ? `(${time})` : time }));
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
}
