// A meter per label: the smoothed score now, with the threshold as a line in its middle.

import { level, scoreText } from "./level.js";

export class Meters {
  constructor(list, settings) {
    this.settings = settings;
    this.rows = settings.labels.map((label) => {
      const threshold = settings.thresholds[label];
      const row = document.createElement("li");
      const name = element("span", "name", label.replaceAll("_", " "));
      const bar = element("span", "bar");
      const value = element("span", "value", "–");
      bar.append(element("span", "fill"));
      bar.setAttribute("role", "meter");
      bar.setAttribute("aria-label", name.textContent);
      bar.setAttribute("aria-valuemin", "0");
      bar.setAttribute("aria-valuemax", "1");
      bar.setAttribute("aria-valuenow", "0");
      if (threshold === undefined) {
        row.className = "background";
        name.append(element("small", "", "never reported"));
      } else {
        bar.append(element("span", "threshold"));
        name.append(element("small", "", threshold > 1 ? "silenced" : `≥ ${scoreText(threshold)}`));
      }
      row.append(name, bar, value);
      list.append(row);
      return { row, bar, value, fill: bar.firstChild, threshold };
    });
  }

  /** Shows `scores` of all labels; of the events, their `smoothed` ones, in the order of eventLabels. */
  show(scores, smoothed) {
    this.settings.labels.forEach((label, index) => {
      const { row, bar, value, fill, threshold } = this.rows[index];
      const event = this.settings.eventLabels.indexOf(label);
      const score = event < 0 ? scores[index] : smoothed[event];
      const height = threshold === undefined ? score : level(score, threshold);
      fill.style.width = `${100 * height}%`;
      row.classList.toggle("reached", score >= (threshold ?? Infinity));
      value.textContent = scoreText(score);
      bar.setAttribute("aria-valuenow", score.toFixed(5));
    });
  }
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
