// @ts-check
// Which keys move the timeline: all wherever nothing else wants them, so that the page is an
// instrument from the start.

/** @param {KeyboardEvent} event */
export function movesTimeline(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return false;
  const target = event.composedPath()[0];
  const at = target instanceof Element ? target : null;
  if (target === document.body || at?.closest(".track")) return true;
  // a button of the instrument, or a part of a drawing, wants only what presses it
  const pressed = [" ", "Enter"].includes(event.key);
  if (at?.closest(".instrument button, .instrument svg")) return !pressed;
  return Boolean(
    at?.closest("[data-testid=stMain]") && !at.closest("input,select,textarea,button,[role]"),
  );
}
