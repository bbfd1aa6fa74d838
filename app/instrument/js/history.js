// @ts-check
// The browser's history has one entry for each page. Streamlit adds one whenever the address
// changes, also wherever the timeline comes to rest; those take the place of the last one.

let quiet = false;

/**
 * @param {string} from
 * @param {string} to Absolute, or relative to the other.
 */
export function samePage(from, to) {
  return new URL(to, from).pathname === new URL(from).pathname;
}

export function oneEntryPerPage() {
  if (quiet) return;
  quiet = true;
  const push = history.pushState.bind(history),
    replace = history.replaceState.bind(history);
  history.pushState = (state, unused, url) => {
    const same = url && samePage(window.location.href, String(url));
    (same ? replace : push)(state, unused, url);
  };
}
