// What stands around an interactive chart: the legend whose entries hide and show lines, the values at the
// cursor, the keys, and the way back to the drawing without scripts.
naru.readout = (() => {
  'use strict';

  const element = (name, css, text) => {
    const made = document.createElement(name);
    if (css) made.className = css;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  function swatch(line) {
    const space = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(space, 'svg');
    const attributes = { class: `swatch ${line.css}`, viewBox: '0 0 30 14', width: 30, height: 14, 'aria-hidden': 'true' };
    for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
    const stroke = document.createElementNS(space, 'path');
    stroke.setAttribute('class', 'line');
    stroke.setAttribute('d', 'M1 7H29');
    stroke.setAttribute('stroke-dasharray', line.dash || 'none');
    const mark = document.createElementNS(space, 'path');
    mark.setAttribute('class', 'mark');
    mark.setAttribute('d', line.mark);
    mark.setAttribute('transform', 'translate(15 7)');
    svg.append(stroke, mark);
    return svg;
  }

  class Readout {
    constructor(drawing, data, hint) {
      this.hint = hint;
      this.drawing = drawing;
      this.data = data;
      this.zoomed = false;
      this.build();
      this.chart = naru.chart.make(this.plot, data, {
        isZoomed: () => this.zoomed,
        zooming: () => this.setZoomed(true),
        moved: (index) => this.show(index),
      });
      // uPlot's line would follow the pointer; this one stands at the values that are read out.
      this.needle = element('div', 'needle');
      this.needle.hidden = true;
      this.chart.u.over.append(this.needle);
      // uPlot's own double click shows everything again; so that it also counts here:
      this.chart.u.over.addEventListener('dblclick', () => this.reset(), true);
      new ResizeObserver(() => this.fit()).observe(this.live);
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.chart.restyle());
    }

    build() {
      const { data } = this;
      this.live = element('div', 'live');
      const heading = element('p', 'heading');
      heading.append(element('b', '', data.y.label), ' ', element('span', '', `${data.less ? '\u2193 less is better' : '\u2191 more is better'}${data.y.log ? ' \u00b7 logarithmic' : ''}`));
      this.plot = element('div', 'plot');
      this.plot.tabIndex = 0;
      this.plot.setAttribute('role', 'application');
      this.plot.setAttribute('aria-roledescription', 'interactive chart');
      this.plot.setAttribute('aria-label', `${data.title}. Left and right arrow keys read the values, plus and minus zoom, Escape shows everything.`);
      this.plot.addEventListener('keydown', (event) => this.key(event));
      this.plot.addEventListener('blur', () => this.chart.u.setCursor({ left: -10, top: -10 }));
      const below = element('div', 'below');
      const axis = element('p', 'heading');
      axis.append(element('b', '', data.x.label), element('span', '', data.x.log ? ' \u00b7 logarithmic' : ''));
      const tools = element('div', 'tools');
      this.whole = element('button', '', 'Show everything');
      this.whole.hidden = true;
      this.whole.addEventListener('click', () => { this.reset(); this.plot.focus(); });
      tools.append(this.whole);
      below.append(axis, tools);
      this.spoken = element('p', 'vh');
      this.spoken.setAttribute('aria-live', 'polite');
      this.live.append(heading, this.plot, below, this.legend(), this.spoken);
      this.drawing.append(this.live);
      this.drawing.classList.add('is-live');
      this.toggle = element('button', '', 'Still drawing');
      this.toggle.setAttribute('aria-pressed', 'false');
      this.toggle.addEventListener('click', () => this.setStill(this.drawing.classList.contains('is-live')));
      tools.append(this.toggle);
      this.tools = tools;
      this.home = below;
    }

    legend() {
      const made = element('div', 'legend');
      made.setAttribute('role', 'group');
      made.setAttribute('aria-label', `Lines of: ${this.data.title}`);
      this.at = element('p', 'at', this.hint);
      made.append(this.at);
      this.buttons = this.data.series.map((line, index) => {
        const button = element('button');
        button.type = 'button';
        button.setAttribute('aria-pressed', 'true');
        const value = element('output');
        button.append(swatch(line), element('span', '', line.label), value);
        button.addEventListener('click', () => this.setShown(index, button.getAttribute('aria-pressed') === 'false'));
        for (const [event, on] of [['mouseenter', true], ['focus', true], ['mouseleave', false], ['blur', false]]) {
          button.addEventListener(event, () => this.chart.u.setSeries(on ? index + 1 : null, { focus: true }));
        }
        made.append(button);
        return { button, value };
      });
      return made;
    }

    setShown(index, shown) {
      this.buttons[index].button.setAttribute('aria-pressed', String(shown));
      this.chart.u.setSeries(index + 1, { show: shown });
    }

    setStill(still) {
      this.drawing.classList.toggle('is-live', !still);
      this.live.hidden = still;
      this.toggle.setAttribute('aria-pressed', String(still));
      // The button has to stay where it can be reached when the chart that it stands under is gone.
      if (still) {
        const below = element('div', 'below still');
        below.append(this.toggle);
        this.drawing.append(below);
      } else {
        this.drawing.querySelector('.still').remove();
        this.tools.append(this.toggle);
        this.fit();
      }
      this.toggle.focus();
    }

    fit() {
      const width = this.plot.clientWidth;
      if (width > 0 && width !== this.chart.u.width) this.chart.restyle();
    }

    setZoomed(zoomed) {
      this.zoomed = zoomed;
      this.whole.hidden = !zoomed;
    }

    reset() {
      this.setZoomed(false);
      const [min, max] = this.chart.whole;
      this.chart.u.setScale('x', { min, max });
    }

    written(x) { return naru.axis.text(x); }

    // The values at one x: in the legend, and for those who listen.
    show(index) {
      const none = index === null || index === undefined;
      const x = none ? null : this.chart.xs[index];
      this.at.textContent = none ? this.hint : `${this.data.x.label}: ${this.written(x)}`;
      if (this.needle) {
        this.needle.hidden = none;
        if (!none) this.needle.style.left = `${this.chart.u.valToPos(x, 'x')}px`;
      }
      const words = [];
      this.data.series.forEach((line, at) => {
        const point = none ? undefined : line.points.find((each) => each.x === x);
        this.buttons[at].value.textContent = none ? '' : point ? `${point.text}${point.valid ? '' : ' (not valid)'}` : '\u2013';
        if (point && this.buttons[at].button.getAttribute('aria-pressed') === 'true') words.push(`${line.label} ${point.text}${point.valid ? '' : ', not valid'}`);
      });
      this.spokenNext = none ? '' : `${this.written(x)}: ${words.join('; ')}`;
      if (document.activeElement === this.plot) this.spoken.textContent = this.spokenNext;
    }

    visible() {
      const { min, max } = this.chart.u.scales.x;
      return this.chart.xs.map((x, index) => ({ x, index })).filter(({ x }) => x >= min && x <= max);
    }

    moveTo(index) {
      const { u, xs } = this.chart;
      u.setCursor({ left: u.valToPos(xs[index], 'x'), top: u.over.clientHeight / 2 });
    }

    // `next` has the place of the cursor among those that are visible (-1: none yet) and the last one.
    move(next) {
      const places = this.visible();
      if (places.length === 0) return;
      const now = places.findIndex(({ index }) => index === this.chart.u.cursor.idx && this.chart.u.cursor.left >= 0);
      const last = places.length - 1;
      this.moveTo(places[Math.min(Math.max(next(now, last), 0), last)].index);
    }

    zoom(factor) {
      const { u, whole, xs } = this.chart;
      const bend = this.data.x.log ? Math.log : (value) => value;
      const back = this.data.x.log ? Math.exp : (value) => value;
      const [min, max] = [u.scales.x.min, u.scales.x.max].map(bend);
      const centre = u.cursor.left >= 0 && u.cursor.idx != null ? bend(xs[u.cursor.idx]) : (min + max) / 2;
      const low = Math.max(centre - (centre - min) * factor, bend(whole[0]));
      const high = Math.min(centre + (max - centre) * factor, bend(whole[1]));
      if (low <= bend(whole[0]) && high >= bend(whole[1])) return this.reset();
      if (high - low < (bend(whole[1]) - bend(whole[0])) / 40) return;
      this.setZoomed(true);
      u.setScale('x', { min: back(low), max: back(high) });
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = {
        ArrowLeft: () => this.move((now, last) => (now < 0 ? last : now - 1)),
        ArrowRight: () => this.move((now) => now + 1),
        Home: () => this.move(() => 0),
        End: () => this.move((now, last) => last),
        '+': () => this.zoom(0.6),
        '=': () => this.zoom(0.6),
        '-': () => this.zoom(1 / 0.6),
        Escape: () => this.reset(),
      };
      if (!actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    }
  }

  return { Readout };
})();
