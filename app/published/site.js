// A page of a published site: which view is shown, at which step, in which theme. The address keeps
// the view, the step and what else was chosen, so that any moment can be linked to.
const hopscope = (() => {
  /** @type {Map<string, Promise<Uint8Array>>} */
  const payloads = new Map();
  const shown = new Map();
  const waiting = new Map();

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(plain).arrayBuffer());
  }

  // Called by the scripts that hold the data.
  function data(name, text) {
    payloads.set(name, unpacked(text));
    if (waiting.has(name)) waiting.get(name)();
  }

  async function payload(name) {
    if (!payloads.has(name)) {
      await new Promise((there) => {
        waiting.set(name, there);
        const script = document.createElement("script");
        script.src = `${name}.js`;
        document.body.append(script);
      });
    }
    return payloads.get(name);
  }

  const address = () => new URLSearchParams(location.hash.slice(1));

  function keep(changes) {
    const now = address();
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === undefined) now.delete(name);
      else now.set(name, String(value));
    }
    history.replaceState(null, "", `#${now}`);
  }

  async function mountOn(stage) {
    const { page, name } = stage.dataset;
    const body = await payload(name);
    if (stage.dataset.name !== name || stage.closest("[hidden]")) return; // another was chosen
    const asked = address();
    const wanted = Number(asked.get("step") ?? stage.dataset.step ?? NaN);
    const step = Number.isFinite(wanted) ? wanted : null;
    const split = asked.get("split") ?? "id_test";
    const header = { page, id: name, step, split, circuit: asked.get("circuit"), jump: location.hash };
    const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
    const bytes = new Uint8Array(line.length + body.length);
    bytes.set(line);
    bytes.set(body, line.length);
    const setStateValue = (what, value) => keep(what === "step" ? { step: value } : value);
    const remove = mountInstrument({
      parentElement: stage,
      data: bytes,
      setStateValue,
      setTriggerValue() {},
    });
    shown.set(stage, remove);
  }

  function unmountOthers(section) {
    for (const [stage, remove] of shown) {
      if (section.contains(stage)) continue;
      remove();
      shown.delete(stage);
    }
  }

  function show() {
    const sections = [...document.querySelectorAll("[data-section]")];
    if (!sections.length) return;
    const named = (name) => sections.find((section) => section.dataset.section === name);
    const section = named(address().get("view")) ?? sections[0];
    for (const other of sections) other.hidden = other !== section;
    for (const link of document.querySelectorAll("[data-view]")) {
      const here = link.dataset.view === section.dataset.section;
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    unmountOthers(section);
    chosenQuestion(section);
    for (const stage of section.querySelectorAll(".stage")) mountOn(stage);
  }

  function chosenQuestion(section) {
    const select = section.querySelector("select.chosen");
    if (!select) return;
    const asked = address().get("question");
    const option = [...select.options].find((one) => one.value === asked) ?? select.options[0];
    option.selected = true;
    section.querySelector(".stage").dataset.name = `question-${option.value}`;
    const { donor } = option.dataset;
    section.querySelector(".donor").textContent = donor ? `Donor of the swaps: ${donor}` : "";
  }

  function themed(theme) {
    document.documentElement.dataset.theme = theme;
    for (const stage of shown.keys()) mountOn(stage);
  }

  function stored() {
    try {
      return localStorage.getItem("hopscope-theme");
    } catch {
      return null; // a browser that keeps nothing for files
    }
  }

  function start() {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    themed(stored() ?? (dark.matches ? "dark" : "light"));
    dark.addEventListener("change", () => themed(dark.matches ? "dark" : "light"));
    document.querySelector(".theme").addEventListener("click", () => {
      const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      themed(theme);
      try {
        localStorage.setItem("hopscope-theme", theme);
      } catch {
        // it lasts as long as the page then
      }
    });
    for (const link of document.querySelectorAll("[data-view]")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const aligned = document.querySelector("[data-page=compare]");
        keep({ view: link.dataset.view, ...(aligned ? { step: null } : {}) });
        link.blur(); // the arrow keys are the timeline's
        show();
      });
    }
    document.querySelector("select.chosen")?.addEventListener("change", (event) => {
      keep({ question: event.target.value });
      event.target.blur();
      show();
    });
    addEventListener("hashchange", show);
    show();
  }

  start();
  return { data };
})();
