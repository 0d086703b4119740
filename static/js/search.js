// The search box as a combobox: arrows move through its suggestions, Enter opens the one that is chosen, Escape
// closes them. Source: ARIA Authoring Practices, "Combobox". Without this file it is a search form.
(() => {
  "use strict";

  const box = document.getElementById("search");
  if (!box) return;
  const list = () => document.getElementById("suggestions");
  const options = () => [...list().querySelectorAll("[role=option]")];
  const chosen = () => list().querySelector("[aria-selected=true]");

  const choose = (option) => {
    chosen()?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) box.setAttribute("aria-activedescendant", option.id);
    else box.removeAttribute("aria-activedescendant");
  };

  const show = (shown) => {
    list().hidden = !shown;
    box.setAttribute("aria-expanded", shown);
    if (!shown) choose(null);
  };

  // An answer that comes when the box was emptied or left has nothing to show.
  const wanted = () => document.activeElement === box && box.value.trim() && options().length > 0;
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => ctx.sourceElement === box && show(wanted()));
  box.addEventListener("input", () => box.value.trim() || show(false));
  box.addEventListener("focus", () => wanted() && show(true));

  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list().hidden) return wanted() && show(true);
      const all = [...options(), null]; // past the ends lies the box itself
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose(all.at((all.indexOf(chosen()) + step) % all.length));
      event.preventDefault();
    } else if (event.key === "Enter" && !list().hidden && chosen()) {
      event.preventDefault();
      chosen().click();
    } else if (event.key === "Escape" && !list().hidden) {
      event.preventDefault(); // of emptying the box
      show(false);
    }
  });

  // A click on a suggestion comes before the box is left.
  box.form.addEventListener("pointerdown", (event) => event.target.closest("[role=option]") && event.preventDefault());
  box.form.addEventListener("focusout", (event) => box.form.contains(event.relatedTarget) || show(false));
})();
