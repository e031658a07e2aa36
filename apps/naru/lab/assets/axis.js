// Round values on an axis, and how they are written: the same rules as in the drawings without scripts.
var naru = {};

naru.axis = (() => {
  'use strict';

  const near = 1e-9;

  function roundStep(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return ([1, 2, 5].find((factor) => value <= factor * power * (1 + near)) || 10) * power;
  }

  function decades(low, high, factors, stride) {
    const found = [];
    for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); ++exponent) {
      if (exponent % stride) continue;
      for (const factor of factors) {
        const at = Number((factor * 10 ** exponent).toPrecision(12));
        if (at >= low * (1 - near) && at <= high * (1 + near)) found.push(at);
      }
    }
    return found;
  }

  function binary(low, high, most) {
    for (let stride = 1; ; ++stride) {
      const found = [];
      for (let at = 2 ** Math.ceil(Math.log2(low) - near); at <= high * (1 + near); at *= 2 ** stride) found.push(at);
      if (found.length <= most || stride > 60) return found;
    }
  }

  function linear(low, high, most) {
    const step = roundStep((high - low) / most);
    const found = [];
    for (let number = Math.ceil(low / step - near); number * step <= high + step * near; ++number) {
      found.push(Number((number * step).toPrecision(12)));
    }
    return found;
  }

  // axis: {log, binary}
  function ticks(axis, low, high, most) {
    most = Math.max(most, 2);
    if (!axis.log) return linear(low, high, most);
    if (axis.binary) return binary(low, high, most);
    for (const factors of [[1, 2, 5], [1, 3]]) {
      const found = decades(low, high, factors, 1);
      if (found.length >= 2 && found.length <= most) return found;
    }
    for (let stride = 1; stride < 40; ++stride) {
      const found = decades(low, high, [1], stride);
      if (found.length >= 2 && found.length <= most) return found;
    }
    return linear(low, high, most);  // less than a decade, after zooming
  }

  function text(value) {
    const size = Math.abs(value);
    const short = (divisor, unit) => `${Number((value / divisor).toPrecision(6))}${unit}`;
    let written;
    if (size >= 1e9) written = short(1e9, 'G');
    else if (size >= 1e6) written = short(1e6, 'M');
    else if (size >= 1e5) written = short(1e3, 'k');
    else if (size >= 1e3) written = Math.round(value).toLocaleString('en-US');
    else written = String(Number(value.toPrecision(6)));
    return written.replace('-', '\u2212');
  }

  function sizeText(bytes) {
    const units = ['', ' KiB', ' MiB', ' GiB', ' TiB'];
    let unit = 0;
    for (; bytes >= 1024 && unit + 1 < units.length; ++unit) bytes /= 1024;
    return `${bytes}${units[unit]}`;
  }

  const isPowerOfTwo = (value) => value >= 1 && Number.isInteger(Math.log2(value));

  // Where a value is on an axis: 0 to 1.
  const part = (value, low, high, log) => (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));

  function range(log, binary, low, high) {
    return { log, binary, low, high, part: (value) => Math.min(Math.max(part(value, low, high, log) || 0, 0), 1) };
  }

  // What the values on an axis ask for; `rounded` is for the axis that is to begin and end with round values.
  function fit(values, log, rounded) {
    const shown = [...new Set(values.filter((value) => Number.isFinite(value) && (!log || value > 0)))];
    let low = Math.min(...shown);
    let high = Math.max(...shown);
    if (log) {
      const isBinary = shown.length >= 3 && shown.every(isPowerOfTwo);
      if (rounded) {
        low = [...decades(low / 10, low, [1, 2, 5], 1)].pop() || low;
        high = decades(high, high * 10, [1, 2, 5], 1)[0] || high;
      }
      if (high < low * 1.5) [low, high] = [low / 2, high * 2];
      return range(log, isBinary, low, high);
    }
    if (rounded) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
    if (high - low < near * Math.max(Math.abs(high), Math.abs(low), 1e-6)) {
      const around = high === 0 ? 1 : Math.abs(high) / 2;
      if (!rounded) low -= around;
      high += around;
    }
    if (rounded) {
      const step = roundStep((high - low) / 8);
      [low, high] = [Math.floor(low / step + near) * step, Math.ceil(high / step - near) * step];
    }
    return range(log, false, low, high);
  }

  return { ticks, text, sizeText, fit };
})();
