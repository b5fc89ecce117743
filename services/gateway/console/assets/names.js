// The names of vendors, which most rows know by number only. A name may change, so it is kept for a minute.

import { get } from "./api.js";

const KEPT_MS = 60_000;
const known = new Map();

// Return the name of a vendor that was looked up before, its number otherwise.
export function vendorName(id) {
  return known.get(id)?.name ?? `Vendor ${id}`;
}

export function remember(vendor) {
  known.set(vendor.id, { name: vendor.name, until: Date.now() + KEPT_MS });
}

// Look up the vendors of a page of rows; return the page.
export async function named(page) {
  const ids = new Set(page.results.map((row) => row.requester ?? row.vendor));
  const wanted = [...ids].filter((id) => !(known.get(id)?.until > Date.now()));
  await Promise.all(wanted.map((id) => get(`/api/vendor/${id}/`).then(({ data }) => remember(data)).catch(() => {})));
  return page;
}
