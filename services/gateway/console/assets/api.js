// Calls the REST door, as the operator who is signed in.

import { current, end } from "./session.js";

const TIMEOUT_MS = 60_000;

// A refusal or a failure; `reason` is that of the error catalogue, empty when there was no answer.
export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail || document.title || `the service answered ${status}`);
    this.status = status;
    this.reason = document.reason ?? "";
    this.requestId = document.request_id ?? "";
    this.errors = document.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return call("GET", text ? `${path}?${text}` : path);
}

// Write; `key` is the idempotency key of a wish, repeated when the wish is.
export function post(path, body, key = "") {
  return call("POST", path, body, key ? { "Idempotency-Key": key } : {});
}

export function patch(path, body) {
  return call("PATCH", path, body);
}

// Return a new idempotency key.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function call(method, path, body, headers = {}) {
  const session = current();
  const sent = { Accept: "application/json", ...headers };
  if (session) sent.Authorization = `Token ${session.token}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, { detail: "no answer from the service" });
  }
  const content = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  if (answer.status === 401 && session && content.reason !== "WRONG_CREDENTIALS") {
    end();
    window.dispatchEvent(new Event("signedout"));
  }
  throw new Problem(answer.status, content, Number(answer.headers.get("Retry-After")) || 0);
}
