// Letting an account go on that was stopped because its books were found broken.

import { ask, field, notice } from "../dialog.js";
import { post } from "../api.js";
import { h } from "../dom.js";

// Ask for the reason and release; resolves to null when it was cancelled.
export function release(name, path) {
  return ask({
    title: `Release ${name}?`,
    text: ["It was stopped because its books were found broken. Release it when that is mended."],
    fields: [field("What was found and mended, for the audit log", h("textarea", { name: "reason", required: true, maxlength: 500, rows: 3 }))],
    action: "Release",
    danger: true,
    act: async ({ reason }) => {
      await post(path, { reason });
      notice(`${name} may go on`);
    },
  });
}
