// Every script besides htmx. Served as one.
import "./drawer.js";
import "./crumb.js";
import "./search.js";
import "./product.js";
