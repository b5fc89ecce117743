// Who is signed in. The token is kept in this tab's session storage and travels in the Authorization header only. There is no cookie, so
// no other site can make the browser speak in the operator's name.

const KEY = "charging.session";

export function current() {
  try {
    const session = JSON.parse(sessionStorage.getItem(KEY));
    return session && Date.parse(session.expires_at) > Date.now() ? session : null;
  } catch {
    return null;
  }
}

export function begin(username, answer) {
  sessionStorage.setItem(KEY, JSON.stringify({ username, token: answer.token, expires_at: answer.expires_at }));
}

export function end() {
  sessionStorage.removeItem(KEY);
}

// Return the role that a token names. For showing only: it is the services that decide.
export function roleOf(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).role ?? "";
  } catch {
    return "";
  }
}
