// What the page asks of the service. Every failure is an Error whose message is meant for the reader.

const TRIES = 12;
const PAUSE_MS = 300;
const RESTARTS = 3;
const RESTART_MS = 1000;

export class Failed extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Words of the command, said as the page says them. */
function inWords(message) {
  const words = message
    .replace(/^the picture: /, "")
    .replaceAll("and --no-align", "and tick “aligned square face already”")
    .replace(/; --face \d+ takes the next/, "");
  return words.replace(/^[a-z](?=[a-z])/, (letter) => letter.toUpperCase());
}

async function ask(path, options, tries = TRIES) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    // A service that is started again answers within seconds.
    if (tries > TRIES - RESTARTS) {
      await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      return ask(path, options, tries - 1);
    }
    throw new Failed("the service does not answer; is “semwave serve” still running?", 0);
  }
  // Too many ask, or this page too often: the service says that it is worth another try.
  if (answer.headers.has("retry-after") && tries > 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return ask(path, options, tries - 1);
  }
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    throw new Failed(inWords(body.error ?? `the service answered ${answer.status}`), answer.status);
  }
  return answer;
}

const posted = (path, value) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });

export const models = async () => (await ask("/models")).json();
export const health = async () => (await ask("/health")).json();
export const examples = async () => (await ask("/examples")).json();
export const example = async (number) => (await ask(`/examples/${number}`)).blob();
export const keep = async (blob, aligned) =>
  (
    await ask(`/photos?aligned=${aligned}`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: blob,
    })
  ).json();
export const forget = (id) => fetch(`/photos/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
export const view = async (id, asked) => (await posted(`/photos/${id}/view`, asked)).json();
export const symbols = async (id, asked) => (await posted(`/photos/${id}/transmit`, asked)).blob();
export const other = async (id, scheme, asked) => (await posted(`/photos/${id}/other?scheme=${scheme}`, asked)).json();

export const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
export const blob = (base64, type) => new Blob([bytes(base64)], { type });
