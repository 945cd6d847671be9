"use strict";
// Copies scripts unchanged, and remembers what was checked off and noted.
(() => {
  const root = document.documentElement;
  const family = `codeocean-cmdgen ${root.dataset.procedure} `;
  const key = family + root.dataset.digest;
  const boxes = [...document.querySelectorAll("input[type=checkbox]")];
  const notes = [...document.querySelectorAll("textarea")];
  const message = document.getElementById("message");
  const earlier = document.getElementById("earlier");
  let state = { done: {}, notes: {}, saved: "" };

  const tell = (text) => {
    message.textContent = text;
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => { message.textContent = ""; }, 8000);
  };

  // A browser may forbid it. Everything else still works.
  const trying = (work) => {
    try {
      work();
    } catch (error) {
      tell(`This browser cannot store your progress: ${error.message}`);
    }
  };

  const load = () => {
    state = { ...state, ...JSON.parse(localStorage.getItem(key)) };
  };

  const save = () => {
    state.saved = new Date().toISOString();
    trying(() => localStorage.setItem(key, JSON.stringify(state)));
  };

  const show = () => {
    for (const box of boxes) {
      const when = state.done[box.name];
      const time = document.getElementById(`time-${box.name}`);
      box.checked = Boolean(when);
      time.textContent = when ? new Date(when).toLocaleString() : "";
      time.dateTime = when || "";
      document.getElementById(box.name).classList.toggle("done", box.checked);
      document.getElementById(`to-${box.name}`).classList.toggle("done", box.checked);
    }
    for (const note of notes) note.value = state.notes[note.name] || "";
    const open = boxes.filter((box) => !box.checked);
    const next = document.getElementById("next");
    document.getElementById("progress").value = boxes.length - open.length;
    document.getElementById("count").textContent =
      `${boxes.length - open.length} of ${boxes.length} done`;
    next.hidden = open.length === 0;
    if (open.length > 0) {
      next.href = `#${open[0].name}`;
      next.textContent = `Next: ${open[0].dataset.title}`;
    }
  };

  // A runbook that was generated again is another one: it can import the progress of the last.
  const last = () => {
    const others = Object.keys(localStorage).filter((one) => one.startsWith(family) && one !== key);
    const states = others.map((one) => JSON.parse(localStorage.getItem(one)));
    return states.sort((one, other) => one.saved.localeCompare(other.saved)).pop();
  };

  const offer = () => {
    const found = state.saved ? null : last();
    earlier.hidden = !found;
    if (!found) return;
    const count = Object.keys(found.done).length;
    earlier.textContent = `Import progress from the earlier runbook (${count})`;
    earlier.addEventListener("click", () => {
      state = found;
      save();
      show();
      earlier.hidden = true;
    });
  };

  const copy = async (button) => {
    const script = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(script.textContent);
      tell(`Copied ${button.dataset.title}. Paste it into ${button.dataset.place}.`);
    } catch {
      for (let one = script.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
      getSelection().selectAllChildren(script);
      tell("This browser blocks copying. The script is selected: press Ctrl+C.");
    }
  };

  for (const box of boxes) {
    box.addEventListener("change", () => {
      if (box.checked) state.done[box.name] = new Date().toISOString();
      else delete state.done[box.name];
      save();
      show();
    });
  }
  for (const note of notes) {
    note.addEventListener("input", () => {
      state.notes[note.name] = note.value;
      save();
    });
  }
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", () => copy(button));
  }
  // The same runbook may be open in another window.
  addEventListener("storage", (event) => {
    if (event.key === key) {
      trying(load);
      show();
    }
  });
  root.classList.add("js");
  trying(load);
  show();
  trying(offer);
})();
