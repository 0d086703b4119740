// The cart beside the page, in a modal dialog. It opens from what says data-opens="cart-drawer": a link at once, a form
// when it has added something and the hand rests. Without this file those links go to the cart's page.
(() => {
  "use strict";

  const REST = 400; // milliseconds, within which the next of some quick clicks comes
  const drawer = () => document.getElementById("cart-drawer");
  const messages = () => document.getElementById("messages");
  let opener;

  const open = (from) => {
    const dialog = drawer();
    if (!dialog || dialog.open) return;
    opener = from;
    // What is outside of a modal dialog can be neither heard nor pressed.
    dialog.querySelector(".dialog-header").after(messages());
    dialog.showModal();
    dialog.querySelector("h2").focus();
    dialog.querySelector(".cart-line-new")?.scrollIntoView({ block: "nearest" });
  };

  const fill = () => {
    drawer().querySelector(".cart-failed")?.classList.remove("cart-failed");
    htmx.ajax("GET", "/cart", { source: "#cart-drawer .dialog-body", target: "#messages", swap: "none", quiet: true });
  };
  for (const failure of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(failure, ({ detail: { ctx } }) => {
      if (ctx?.sourceElement.matches("#cart-drawer .dialog-body")) drawer().querySelector(".cart-waiting")?.classList.add("cart-failed");
    });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-opens='cart-drawer']");
    if (!link || !drawer() || !window.htmx || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(link);
    fill();
  });

  // Whoever goes on after an add, by another click or another key, is not interrupted.
  let pressed = 0;
  for (const press of ["pointerdown", "keydown"]) {
    document.addEventListener(press, () => { pressed = performance.now(); }, true);
  }
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => { ctx.pressed = pressed; });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement.dataset.opens !== "cart-drawer" || ctx.response?.status !== 200) return;
    const rest = () => ctx.pressed === pressed && open(ctx.request.submitter ?? ctx.sourceElement);
    setTimeout(rest, ctx.pressed + REST - performance.now());
  });

  // A click beside it closes it; not one that began inside, as when a number is selected.
  let began;
  document.addEventListener("pointerdown", ({ target }) => { began = target; });
  document.addEventListener("click", ({ target }) => target === drawer() && began === target && target.close());
  addEventListener("pagehide", () => drawer()?.close());

  document.addEventListener("close", ({ target }) => {
    if (target !== drawer()) return;
    document.getElementById("main").before(messages());
    // The browser gives the focus back, unless what opened it was replaced meanwhile.
    for (const place of [opener, document.getElementById(opener.id), document.getElementById("main")]) {
      if (document.activeElement === document.body || target.contains(document.activeElement)) place?.focus({ preventScroll: true });
    }
  }, true);
})();
