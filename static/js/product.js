// A product's page: pictures that change and open in place, and a quantity with buttons. Without this file pictures
// are links, and quantities are typed.
(() => {
  "use strict";

  const slides = () => document.querySelector(".product-slides");
  const links = () => [...document.querySelectorAll(".product-slide-link[href]")];
  const zoom = () => document.getElementById("product-zoom");

  // The picture in sight is marked among the thumbnails. Those out of sight can't be reached by the keyboard.
  const mark = () => {
    if (!slides()) return;
    const now = Math.round(Math.abs(slides().scrollLeft) / slides().clientWidth);
    [...slides().children].forEach((slide, place) => {
      slide.inert = place !== now && !slide.contains(document.activeElement);
    });
    document.querySelectorAll(".product-thumbnail").forEach((thumbnail, place) => {
      thumbnail.ariaCurrent = place === now ? "true" : null;
    });
  };
  mark();

  // The page is the same for everybody; the header knows what is saved.
  const markSaved = () => {
    const saved = document.getElementById("saved-count").dataset.items.split(" ");
    for (const form of document.querySelectorAll(".save-form")) {
      const is = form.classList.toggle("is-saved", saved.includes(form.querySelector("input").value));
      const button = form.querySelector("button");
      button.dataset.save ??= button.ariaLabel;
      button.ariaLabel = is ? button.dataset.saved : button.dataset.save;
    }
  };
  markSaved();

  document.addEventListener("scroll", ({ target }) => target === slides() && mark(), true);

  // htmx keeps the pictures where a choice leaves them as they are, but not the one in sight.
  let kept, left;
  document.addEventListener("htmx:before:swap", () => {
    kept = slides();
    left = kept?.scrollLeft;
  });
  document.addEventListener("htmx:after:swap", () => {
    if (kept === slides()) kept?.scrollTo({ left, behavior: "instant" });
    mark();
    markSaved();
  });

  const bring = (slide) => slides().scrollTo({ left: slide.offsetLeft - slides().offsetLeft });

  // A picture opens large. Pressed there, it grows past the window, to be scrolled.
  let shown;
  const show = (link) => {
    shown = link;
    const picture = link.querySelector("picture").cloneNode(true);
    for (const file of picture.children) file.sizes = "220vmin";
    picture.lastElementChild.className = "";
    picture.lastElementChild.loading = "eager";
    const frame = zoom().querySelector(".product-zoom-picture");
    frame.ariaPressed = "false";
    frame.replaceChildren(picture);
  };
  const step = (by) => show(links().at((links().indexOf(shown) + by) % links().length));
  const grow = (frame) => {
    frame.ariaPressed = frame.ariaPressed !== "true";
    const view = frame.parentElement;
    view.scrollTo((view.scrollWidth - view.clientWidth) / 2, (view.scrollHeight - view.clientHeight) / 2);
  };

  const count = (button) => {
    const field = button.parentElement.querySelector("input");
    field.value = Math.min(Math.max((parseInt(field.value) || 0) + Number(button.value), 1), 999);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".product-thumbnail, .product-slide-link");
    const button = event.target.closest("button[type=button]");
    if (button?.matches(".stepper-button")) count(button);
    else if (button?.closest("#product-zoom")) button.value ? step(Number(button.value)) : grow(button);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    // A thumbnail leaves the address as it is, so that Back leaves the page.
    if (link.hash) bring(document.querySelector(link.hash));
    else if (link.href) {
      show(link);
      zoom().showModal();
    }
  });
  document.addEventListener("keydown", ({ key }) => {
    if (!zoom()?.open || zoom().querySelector("[aria-pressed=true]")) return;
    if (key === "ArrowLeft") step(-1);
    if (key === "ArrowRight") step(1);
  });
  // The focus returns to the picture that was seen last.
  document.addEventListener("close", ({ target }) => {
    if (target !== zoom() || !shown.isConnected) return;
    shown.closest(".product-slide").inert = false;
    shown.focus({ preventScroll: true });
    bring(shown.closest(".product-slide"));
  }, true);
})();
