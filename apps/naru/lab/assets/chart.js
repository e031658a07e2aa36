// Draws a line chart on uPlot's canvas the way it is drawn without scripts: a dash and a marker for each model,
// bands for the intervals, names at the lines' ends, a cross where a line dies. uPlot does the axes, the
// cursor and the zoom.
naru.chart = (() => {
  'use strict';

  // The same limits as in the drawings without scripts: what is beyond them leaves no room for arithmetic.
  const fits = (value, log) => value !== null && Math.abs(value) <= 1e15 && (!log || value >= 1e-15);
  const drawable = (point, data) => fits(point.x, data.x.log) && fits(point.y, data.y.log);

  // uPlot wants all lines over one column of x.
  function aligned(data) {
    const xs = new Set();
    for (const line of data.series) for (const point of line.points) if (drawable(point, data)) xs.add(point.x);
    const columns = [[...xs].sort((a, b) => a - b)];
    for (const line of data.series) {
      const found = new Map(line.points.filter((point) => drawable(point, data)).map((point) => [point.x, point]));
      columns.push(columns[0].map((x) => (found.has(x) ? found.get(x).y : null)));
    }
    return columns;
  }

  function colours(element) {
    const style = getComputedStyle(element);
    const named = (name) => style.getPropertyValue(name).trim();
    return { ink: named('--ink'), soft: named('--ink-soft'), faint: named('--faint'), paper: named('--paper'), seal: named('--seal'), font: named('--label') };
  }

  // The labels of one column are moved apart, as little as possible: those that touch become a block, which has
  // its middle where its labels want theirs on average.
  function spread(labels, top, bottom) {
    labels.sort((a, b) => a.wanted - b.wanted);
    const blocks = [];
    const settle = (block) => { block.top = Math.max(top, Math.min(block.sum / block.labels.length, bottom - block.height)); };
    for (const label of labels) {
      let block = { labels: [label], sum: label.wanted - label.height / 2, height: label.height };
      settle(block);
      while (blocks.length > 0) {
        const above = blocks[blocks.length - 1];
        if (above.top + above.height <= block.top) break;
        blocks.pop();
        block = { labels: [...above.labels, ...block.labels], sum: above.sum + block.sum - above.height * block.labels.length, height: above.height + block.height };
        settle(block);
      }
      blocks.push(block);
    }
    for (const block of blocks) {
      let y = block.top;
      for (const label of block.labels) {
        label.at = y;
        y += label.height;
      }
    }
  }

  // The emptiest place near a point for a label of that size.
  function place(x, y, width, height, spots, boxes, inside) {
    let best = null;
    let least = Infinity;
    for (const away of [11, 22, 36, 54, 78]) {
      for (const [left, top] of [
        [x + away, y - height / 2], [x - away - width, y - height / 2], [x - width / 2, y - away - height], [x - width / 2, y + away],
        [x + away / 2, y - away - height], [x + away / 2, y + away], [x - away - width, y - away - height], [x - away - width, y + away],
      ]) {
        let cost = away / 8;
        for (const spot of spots) cost += spot[0] > left && spot[0] < left + width && spot[1] > top && spot[1] < top + height;
        for (const box of boxes) {
          if (Math.min(box[0] + box[2], left + width) > Math.max(box[0], left) && Math.min(box[1] + box[3], top + height) > Math.max(box[1], top)) cost += 100;
        }
        if (left < inside[0] || top < inside[1] || left + width > inside[2] || top + height > inside[3]) cost += 1000;
        if (cost < least) [best, least] = [[left, top, width, height], cost];
      }
    }
    boxes.push(best);
    return best;
  }

  function wrapped(text, columns, most) {
    const lines = [''];
    for (const word of text.split(/\s+/)) {
      const last = lines[lines.length - 1];
      if (last && last.length + 1 + word.length > columns) lines.push(word);
      else lines[lines.length - 1] = last ? `${last} ${word}` : word;
    }
    const kept = lines.filter(Boolean);
    return kept.length > most ? [...kept.slice(0, most - 1), `${kept[most - 1]}\u2026`] : kept;
  }

  // One pass over the canvas, in the pixels of the page; uPlot's are those of the screen.
  class Painter {
    constructor(u, data, look) {
      this.u = u;
      this.data = data;
      this.look = look;
      this.ratio = u.ctx.canvas.width / u.width;
      this.context = u.ctx;
      this.plot = { left: u.bbox.left / this.ratio, top: u.bbox.top / this.ratio, right: (u.bbox.left + u.bbox.width) / this.ratio, bottom: (u.bbox.top + u.bbox.height) / this.ratio };
      this.spots = [];
      this.boxes = [];
    }

    x(value) { return this.u.valToPos(value, 'x', true) / this.ratio; }
    y(value) { return this.u.valToPos(value, 'y', true) / this.ratio; }

    shown() {
      return this.data.series
        .map((line, at) => ({ line, alpha: this.u.series[at + 1].alpha ?? 1, show: this.u.series[at + 1].show, colour: this.look.lines[at] }))
        .filter((each) => each.show)
        .map((each) => ({ ...each, points: each.line.points.filter((point) => drawable(point, this.data)) }))
        .filter((each) => each.points.length > 0);
    }

    paint() {
      const { context, plot, look } = this;
      context.save();
      context.scale(this.ratio, this.ratio);
      const lines = this.shown();
      context.save();
      context.beginPath();
      context.rect(plot.left - 6, plot.top - 6, plot.right - plot.left + 12, plot.bottom - plot.top + 12);
      context.clip();
      for (const each of lines) this.band(each);
      for (const each of lines) this.line(each);
      for (const each of lines) this.marks(each);
      for (const each of lines) this.cross(each);
      context.restore();
      context.globalAlpha = 1;
      context.strokeStyle = look.ink;
      context.lineWidth = 1.1;
      context.stroke(new Path2D(`M${plot.left} ${plot.bottom}H${plot.right}`));
      this.markers();
      this.names(lines);
      context.restore();
    }

    interval(value, otherwise) {
      if (value === null) return otherwise;
      if (this.data.y.log && value <= 0) return this.plot.bottom;
      return Math.min(Math.max(this.y(value), this.plot.top), this.plot.bottom);
    }

    band({ points, colour, alpha }) {
      const { context } = this;
      context.fillStyle = colour;
      context.globalAlpha = 0.13 * alpha;
      let run = [];
      const end = () => {
        if (run.length > 1) {
          context.beginPath();
          for (const point of run) context.lineTo(this.x(point.x), this.interval(point.high, this.y(point.y)));
          for (const point of run.reverse()) context.lineTo(this.x(point.x), this.interval(point.low, this.y(point.y)));
          context.fill();
        }
        run = [];
      };
      for (const point of points) {
        if (point.valid) run.push(point);
        else end();
      }
      end();
    }

    line({ line, points, colour, alpha }) {
      const { context } = this;
      context.strokeStyle = colour;
      context.globalAlpha = alpha;
      context.lineJoin = 'round';
      for (const sound of [true, false]) {
        context.beginPath();
        context.lineWidth = sound ? 2.1 : 1.3;
        context.setLineDash(sound ? line.dash.split(' ').filter(Boolean).map(Number) : [1, 4]);
        let open = false;
        for (let at = 1; at < points.length; ++at) {
          const [from, to] = [points[at - 1], points[at]];
          if ((from.valid && to.valid) !== sound) { open = false; continue; }
          if (!open) context.moveTo(this.x(from.x), this.y(from.y));
          context.lineTo(this.x(to.x), this.y(to.y));
          open = true;
          this.avoid(this.x(from.x), this.y(from.y), this.x(to.x), this.y(to.y));
        }
        context.stroke();
      }
      context.setLineDash([]);
    }

    avoid(x0, y0, x1, y1) {
      const steps = 1 + Math.min(Math.hypot(x1 - x0, y1 - y0), 4000) / 5;
      for (let step = 0; step <= steps; ++step) this.spots.push([x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps]);
    }

    marks({ line, points, colour, alpha }) {
      const { context, look } = this;
      const mark = new Path2D(line.mark);
      context.globalAlpha = alpha;
      for (const point of points) {
        const [x, y] = [this.x(point.x), this.y(point.y)];
        const [high, low] = [this.interval(point.high, y), this.interval(point.low, y)];
        context.save();
        context.strokeStyle = colour;
        context.lineWidth = 1.1;
        if (point.valid && low - high > 3) context.stroke(new Path2D(`M${x} ${high}V${low}`));
        context.translate(x, y);
        if (point.valid) {
          context.fillStyle = colour;
          context.fill(mark);
          context.strokeStyle = look.paper;
          context.lineWidth = 0.8;
        } else {
          context.save();
          const circle = new Path2D('M6 0A6 6 0 1 1-6 0A6 6 0 1 1 6 0Z');
          context.clip(circle);
          context.strokeStyle = look.ink;
          context.stroke(new Path2D('M-8 4L4-8M-6 6L6-6M-4 8L8-4'));
          context.restore();
        }
        context.stroke(mark);
        context.restore();
      }
    }

    // Above everything else, or the lines that go on would hide it.
    cross({ line, points, colour, alpha }) {
      if (!line.ends) return;
      const { context } = this;
      context.globalAlpha = alpha;
      const last = points[points.length - 1];
      context.save();
      context.translate(this.x(last.x), this.y(last.y));
      context.strokeStyle = colour;
      context.lineWidth = 2.4;
      context.lineCap = 'round';
      context.stroke(new Path2D('M-7-7L7 7M7-7L-7 7'));
      context.restore();
    }

    text(words, x, y, { colour, size = 13, bold = false, align = 'left', halo = true }) {
      const { context, look } = this;
      context.font = `${bold ? 600 : 400} ${size}px ${look.font}`;
      context.textAlign = align;
      context.textBaseline = 'alphabetic';
      if (halo) {
        context.strokeStyle = look.paper;
        context.lineWidth = 4;
        context.lineJoin = 'round';
        context.strokeText(words, x, y);
      }
      context.fillStyle = colour;
      context.fillText(words, x, y);
    }

    width(words, size, bold) {
      this.context.font = `${bold ? 600 : 400} ${size}px ${this.look.font}`;
      return this.context.measureText(words).width;
    }

    markers() {
      const { context, look, plot } = this;
      let row = 0;
      for (const each of this.data.markers) {
        const lines = this.look.markerLines(each);
        const x = each.x === null ? NaN : this.x(each.x);
        if (x >= plot.left && x <= plot.right) {
          const first = plot.top - look.markerRoom + 12 + row * 17;
          context.strokeStyle = look.seal;
          context.lineWidth = 1.2;
          context.setLineDash([4, 3]);
          context.stroke(new Path2D(`M${x} ${first - 10}V${plot.bottom}`));
          context.setLineDash([]);
          this.avoid(x, plot.top, x, plot.bottom);
          const widest = Math.max(...lines.map((line) => this.width(line, 13, true)));
          const atLeft = x + widest + 10 > this.u.width;
          const from = atLeft ? Math.max(x - 7, Math.min(widest, this.u.width - 2)) : x + 7;
          lines.forEach((line, at) => this.text(line, from, first + at * 17, { colour: look.seal, bold: true, align: atLeft ? 'right' : 'left' }));
        }
        row += lines.length + 0.3;
      }
    }

    names(lines) {
      const { context, look, plot } = this;
      const right = [];
      for (const each of lines) {
        const inside = each.points.filter((point) => this.x(point.x) <= plot.right + 1);
        const last = each.points[each.points.length - 1];
        const [x, y] = [this.x(last.x), this.y(last.y)];
        const from = (x - plot.left) / (plot.right - plot.left);
        if (from >= 0.94 && inside.length > 0) {
          const end = from > 1.001 ? this.leaving(each.points) : y;
          right.push({ ...each, wanted: end, height: 16, x: Math.min(x, plot.right) });
        } else if (from >= 0) {
          this.nameInside(each, x, y);
        }
      }
      spread(right, plot.top - 12, plot.bottom + 6);
      for (const each of right) {
        const y = each.at + each.height / 2;
        context.globalAlpha = each.alpha;
        if (Math.abs(y - each.wanted) > 2.5) {
          context.strokeStyle = each.colour;
          context.lineWidth = 0.9;
          context.stroke(new Path2D(`M${each.x + 6} ${each.wanted}L${plot.right + 10} ${y}H${plot.right + 13}`));
        }
        this.text(look.short(each.line), plot.right + 16, y + 4.5, { colour: each.colour, bold: true, size: look.nameSize });
      }
      context.globalAlpha = 1;
    }

    // Where a line crosses the right-hand side of a part that has been zoomed into.
    leaving(points) {
      const at = points.findIndex((point) => this.x(point.x) > this.plot.right);
      if (at <= 0) return this.y(points[0].y);
      const [x0, y0, x1, y1] = [this.x(points[at - 1].x), this.y(points[at - 1].y), this.x(points[at].x), this.y(points[at].y)];
      const y = y0 + ((y1 - y0) * (this.plot.right - x0)) / (x1 - x0);
      return Math.min(Math.max(y, this.plot.top), this.plot.bottom);
    }

    nameInside({ line, colour, alpha }, x, y) {
      const { context, look, plot } = this;
      const why = look.narrow || !line.ends ? [] : wrapped(line.ends, 30, 3);
      const name = look.short(line);
      const width = Math.max(this.width(name, look.nameSize, true), ...why.map((each) => this.width(each, 11.5, false)));
      const box = place(x, y, width, 16 + 14 * why.length, this.spots, this.boxes, [plot.left, plot.top, plot.right, plot.bottom]);
      const isLeft = box[0] + box[2] < x;
      const from = isLeft ? box[0] + box[2] : box[0];
      const align = isLeft ? 'right' : 'left';
      context.globalAlpha = alpha;
      const to = [Math.min(Math.max(x, box[0]), box[0] + box[2]), Math.min(Math.max(y, box[1]), box[1] + box[3])];
      const distance = Math.hypot(to[0] - x, to[1] - y);
      if (distance >= 18) {
        context.strokeStyle = colour;
        context.lineWidth = 0.9;
        context.stroke(new Path2D(`M${x + ((to[0] - x) * 9) / distance} ${y + ((to[1] - y) * 9) / distance}L${to[0]} ${to[1]}`));
      }
      this.text(name, from, box[1] + 12.5, { colour, bold: true, align, size: look.nameSize });
      why.forEach((each, at) => this.text(each, from, box[1] + 27 + 14 * at, { colour: look.soft, size: 11.5, align }));
      context.globalAlpha = 1;
    }
  }

  function shortened(text, size, most, measure) {
    if (measure(text, size) <= most) return text;
    let kept = text;
    while (kept.length > 1 && measure(`${kept}\u2026`, size) > most) kept = kept.slice(0, -1);
    return `${kept.trimEnd()}\u2026`;
  }

  const measuring = document.createElement('canvas').getContext('2d');

  function lookOf(host, data, xAxis) {
    const width = host.clientWidth;
    const look = colours(host);
    look.narrow = width < 560;
    look.nameSize = look.narrow ? 11 : 13;
    const measure = (text, size) => {
      measuring.font = `600 ${size}px ${look.font}`;
      return measuring.measureText(text).width;
    };
    const most = look.narrow ? 108 : 190;
    look.short = ({ label, model }) => (measure(label, look.nameSize) <= most ? label : shortened(model, look.nameSize, most, measure));
    look.nameRoom = 24 + Math.max(0, ...data.series.map((line) => measure(look.short(line), look.nameSize)));
    // About where the marker will be: its text stands on the side that has more room.
    look.markerLines = (marker) => {
      const x = 50 + (width - 50 - look.nameRoom) * xAxis.part(marker.x);
      return wrapped(marker.text, Math.max(12, Math.floor((Math.max(x, width - x) - 14) / 8.2)), 3);
    };
    look.markerRoom = 17 * data.markers.reduce((sum, each) => sum + look.markerLines(each).length + 0.3, 0);
    look.lines = data.series.map((line) => {
      const probe = document.createElement('span');
      probe.className = line.css;
      host.append(probe);
      const colour = getComputedStyle(probe).getPropertyValue('--c').trim();
      probe.remove();
      return colour;
    });
    return look;
  }

  const isOfSizes = (label) => label.includes('byte') || label.includes('KiB');

  // Makes the chart in `host`. `hooks.moved(index)` and `hooks.zoomed(isZoomed)` are told what happens.
  function make(host, data, hooks) {
    const columns = aligned(data);
    const valid = data.series.flatMap((line) => line.points).filter((point) => drawable(point, data));
    const xAxis = naru.axis.fit(valid.map((point) => point.x).concat(data.markers.map((each) => (fits(each.x, data.x.log) ? each.x : NaN))), data.x.log, false);
    const yAxis = naru.axis.fit(valid.flatMap((point) => (point.valid ? [point.y, ...[point.low, point.high].filter((value) => fits(value, data.y.log))] : [point.y])), data.y.log, true);
    let look = lookOf(host, data, xAxis);
    const margin = data.x.log ? Math.pow(xAxis.high / xAxis.low, 0.012) : (xAxis.high - xAxis.low) * 0.012;
    const whole = data.x.log ? [xAxis.low / margin, xAxis.high * margin] : [xAxis.low - margin, xAxis.high + margin];
    const height = () => Math.round((look.narrow ? 330 : 410) + look.markerRoom);
    const axis = (extra) => ({
      stroke: () => look.soft, font: `${look.narrow ? 11 : 13}px ${look.font}`, gap: 6,
      grid: { stroke: () => look.faint, width: 1 }, ticks: { show: false }, ...extra,
    });
    const u = new uPlot({
      width: host.clientWidth,
      height: height(),
      padding: [look.markerRoom + 10, () => look.nameRoom, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.22 },
      cursor: { x: false, y: false, drag: { x: true, y: false }, points: { show: false }, focus: { prox: 18 } },
      scales: {
        x: { time: false, distr: data.x.log ? 3 : 1, range: (self, low, high) => (hooks.isZoomed() ? [low, high] : whole) },
        y: { distr: data.y.log ? 3 : 1, range: () => [yAxis.low, yAxis.high] },
      },
      axes: [
        axis({
          size: 30, grid: { show: false },
          ticks: { show: true, size: 5, width: 1.1, stroke: () => look.ink },
          splits: (self, at, low, high) => naru.axis.ticks(xAxis, low, high, Math.floor(self.bbox.width / devicePixelRatio / (isOfSizes(data.x.label) ? 60 : look.narrow ? 40 : 48))),
          filter: (self, splits) => splits,
          values: (self, splits) => splits.map(xAxis.binary && isOfSizes(data.x.label) ? naru.axis.sizeText : naru.axis.text),
        }),
        axis({
          size: (self, values) => 14 + Math.max(0, ...(values ?? []).map((value) => { measuring.font = `13px ${look.font}`; return measuring.measureText(value).width; })),
          splits: (self, at, low, high) => naru.axis.ticks(yAxis, low, high, look.narrow ? 6 : 7),
          filter: (self, splits) => splits,
          values: (self, splits) => splits.map(naru.axis.text),
        }),
      ],
      series: [{}, ...data.series.map((line, at) => ({ label: line.label, stroke: () => look.lines[at], paths: () => null, points: { show: false } }))],
      hooks: {
        draw: [(self) => new Painter(self, data, look).paint()],
        setCursor: [(self) => hooks.moved(self.cursor.left < 0 ? null : self.cursor.idx)],
        setSelect: [(self) => { if (self.select.width > 0) hooks.zooming(); }],
      },
    }, columns, host);
    const restyle = () => {
      look = lookOf(host, data, xAxis);
      u.setSize({ width: host.clientWidth, height: height() });
      u.redraw(false, true);
    };
    return { u, xs: columns[0], whole, restyle };
  }

  const isEmpty = (data) => !data.series.some((line) => line.points.some((point) => drawable(point, data)));

  return { make, isEmpty };
})();
