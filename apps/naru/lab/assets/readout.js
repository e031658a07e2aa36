// Makes a drawn line chart answer: the values at one place, lines that are hidden and shown, keys. What is drawn
// stays the drawing that is there without scripts.
const naru = {};
naru.readout = (() => {
  'use strict';

  const element = (name, css, text) => {
    const made = document.createElement(name);
    if (css) made.className = css;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  class Readout {
    constructor(figure, data, hint) {
      this.data = data;
      this.hint = hint;
      this.drawing = figure.querySelector('.drawing');
      this.at = null;  // which place is read
      const { drawing } = this;
      drawing.tabIndex = 0;
      drawing.setAttribute('role', 'application');
      drawing.setAttribute('aria-roledescription', 'chart');
      drawing.setAttribute('aria-label', `${data.title}. Left and right arrow keys read the values.`);
      drawing.addEventListener('keydown', (event) => this.key(event));
      drawing.addEventListener('blur', () => this.read(null));
      drawing.addEventListener('pointermove', (event) => this.read(this.nearest(event.clientX)));
      drawing.addEventListener('pointerdown', (event) => this.read(this.nearest(event.clientX)));
      drawing.addEventListener('pointerleave', () => { if (document.activeElement !== drawing) this.read(null); });
      this.spoken = element('p', 'vh');
      this.spoken.setAttribute('aria-live', 'polite');
      drawing.after(this.legend(figure), this.spoken);
    }

    // The places of the drawing that is shown: the wide one, or the narrow one.
    places() {
      const shown = [...this.drawing.querySelectorAll('svg.chart')].find((svg) => svg.getBoundingClientRect().width > 0);
      return { svg: shown, lines: shown ? [...shown.querySelectorAll('.place')] : [] };
    }

    nearest(x) {
      const { svg, lines } = this.places();
      if (lines.length === 0) return null;
      const box = svg.getBoundingClientRect();
      const wanted = ((x - box.left) / box.width) * svg.viewBox.baseVal.width;
      const away = lines.map((line) => Math.abs(Number(line.dataset.at) - wanted));
      return away.indexOf(Math.min(...away));
    }

    legend(figure) {
      const swatches = figure.querySelector('template.swatches').content.querySelectorAll('svg');
      const made = element('div', 'legend');
      made.setAttribute('role', 'group');
      made.setAttribute('aria-label', `Lines of: ${this.data.title}`);
      this.where = element('p', 'at', this.hint);
      made.append(this.where);
      this.buttons = this.data.series.map((line, index) => {
        const button = element('button');
        button.type = 'button';
        button.setAttribute('aria-pressed', 'true');
        const value = element('output');
        button.append(swatches[index].cloneNode(true), element('span', '', line.label), value);
        button.addEventListener('click', () => this.setShown(index, button.getAttribute('aria-pressed') === 'false'));
        for (const [event, on] of [['mouseenter', true], ['focus', true], ['mouseleave', false], ['blur', false]]) {
          button.addEventListener(event, () => this.mark(index, on));
        }
        made.append(button);
        return { button, value };
      });
      return made;
    }

    parts(index) { return this.drawing.querySelectorAll(`[data-series="${index}"]`); }

    setShown(index, shown) {
      this.buttons[index].button.setAttribute('aria-pressed', String(shown));
      for (const part of this.parts(index)) part.classList.toggle('is-hidden', !shown);
      this.read(this.at);
    }

    mark(index, on) {
      this.drawing.classList.toggle('has-marked', on);
      for (const part of this.parts(index)) part.classList.toggle('is-marked', on);
    }

    // The values at one place: in the legend, and for those who listen.
    read(at) {
      this.at = at;
      for (const line of this.drawing.querySelectorAll('.place.is-read')) line.classList.remove('is-read');
      const line = at === null ? undefined : this.places().lines[at];
      line?.classList.add('is-read');
      const x = line ? Number(line.dataset.x) : null;
      this.where.textContent = line ? `${this.data.x.label}: ${line.dataset.text}` : this.hint;
      const words = [];
      this.data.series.forEach((series, index) => {
        const { button, value } = this.buttons[index];
        const point = series.points.find((each) => each.x === x);
        value.textContent = !line ? '' : point ? `${point.text}${point.valid ? '' : ' (not valid)'}` : '\u2013';
        if (line && point && button.getAttribute('aria-pressed') === 'true') words.push(`${series.label} ${point.text}${point.valid ? '' : ', not valid'}`);
      });
      if (document.activeElement === this.drawing) this.spoken.textContent = line ? `${line.dataset.text}: ${words.join('; ')}` : '';
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const last = this.places().lines.length - 1;
      const next = { ArrowLeft: this.at === null ? last : this.at - 1, ArrowRight: this.at === null ? 0 : this.at + 1, Home: 0, End: last }[event.key];
      if (event.key === 'Escape') this.read(null);
      if (next === undefined || last < 0) return;
      event.preventDefault();
      this.read(Math.min(Math.max(next, 0), last));
    }
  }

  return { Readout };
})();
