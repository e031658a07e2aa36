// Makes the charts interactive, marks the reader's place in the contents, and follows a run under way.
(() => {
  'use strict';

  function startCharts() {
    let hint = 'Point at the chart for its values, press a name to hide its line.';
    for (const source of document.querySelectorAll('script.chart-data')) {
      const figure = source.closest('figure');
      if (!figure.querySelector('.place')) continue;  // nothing could be drawn
      new naru.readout.Readout(figure, JSON.parse(source.textContent), hint);
      hint = '';  // said once
    }
  }

  function markPlace() {
    const links = new Map([...document.querySelectorAll('.contents a')].map((link) => [link.hash.slice(1), link]));
    const seen = new Set();
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
      const current = [...links.keys()].find((id) => seen.has(id));
      for (const [id, link] of links) {
        if (id === current) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
      const link = links.get(current);
      const list = link?.closest('ul');
      if (list && list.scrollWidth > list.clientWidth) list.scrollLeft = link.offsetLeft - list.offsetLeft - list.clientWidth / 3;
    }, { rootMargin: '-30% 0px -65% 0px' });
    for (const id of links.keys()) {
      const target = document.getElementById(id);
      if (target) observer.observe(target);
    }
  }

  // Where the reader is, as a place in the text: the page has grown when it comes back.
  const placeKey = 'naru-lab-place';
  const stateKey = 'naru-lab-state';

  function rememberPlace() {
    history.scrollRestoration = 'manual';  // the browser's memory is of pixels
    const places = [...document.querySelectorAll('main section[id], main figure[id]')];
    const above = places.filter((each) => each.getBoundingClientRect().top <= 80).pop();
    const open = [...document.querySelectorAll('details[open] > summary')].map((each) => each.textContent);
    const place = above ? { id: above.id, offset: above.getBoundingClientRect().top } : { id: '', offset: window.scrollY };
    sessionStorage.setItem(placeKey, JSON.stringify({ ...place, open }));
  }

  function returnToPlace() {
    const kept = sessionStorage.getItem(placeKey);
    if (!kept) return;
    sessionStorage.removeItem(placeKey);
    addEventListener('load', () => setTimeout(() => { history.scrollRestoration = 'auto'; }));
    const { id, offset, open } = JSON.parse(kept);
    for (const each of document.querySelectorAll('summary')) each.parentElement.open = open.includes(each.textContent);
    const target = id && document.getElementById(id);
    const top = target ? window.scrollY + target.getBoundingClientRect().top - offset : offset;
    window.scrollTo({ top, behavior: 'instant' });
  }

  // Paper cannot be unfolded. The charts' own figures stay away: what is drawn is labelled.
  function unfoldForPrint() {
    let folded = [];
    addEventListener('beforeprint', () => {
      folded = [...document.querySelectorAll('details:not([open])')].filter((each) => !each.closest('figure'));
      for (const each of folded) each.open = true;
    });
    addEventListener('afterprint', () => {
      for (const each of folded) each.open = false;
      folded = [];
    });
  }

  function clock(seconds) {
    if (!(seconds >= 1)) return 'a moment';
    return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
  }

  function followRun(bar) {
    const drawn = Number(bar.dataset.done);
    let silent = 0;
    const show = (now) => {
      const percent = now.planned ? Math.floor((100 * Math.min(now.done, now.planned)) / now.planned) : 0;
      bar.querySelector('.meter').setAttribute('aria-valuenow', percent);
      bar.querySelector('.meter').setAttribute('aria-valuetext', `${now.done} of ${now.planned}, ${clock(now.seconds_left)} left`);
      bar.querySelector('rect').setAttribute('width', percent);
      bar.querySelector('.part').textContent = `${now.done} of ${now.planned}`;
      bar.querySelector('.current').textContent = now.current;
      bar.querySelector('.left').textContent = `${clock(now.seconds_left)} left`;
    };
    const ask = async () => {
      try {
        const answer = await fetch('progress.json', { cache: 'no-store' });
        if (!answer.ok) throw new Error(answer.status);
        const now = await answer.json();
        silent = 0;
        show(now);
        // The page is drawn anew after a twentieth of the run, and at its end.
        // Once for each state only: a page that is written less often than asked for would be loaded for ever.
        const state = `${now.done} ${now.current === ''}`;
        const isNews = !now.current || now.done - drawn >= Math.max(1, now.planned / 20);
        if (isNews && sessionStorage.getItem(stateKey) !== state) {
          sessionStorage.setItem(stateKey, state);
          rememberPlace();
          location.reload();
          return;
        }
      } catch {
        if (++silent === 10) {
          bar.querySelector('.left').textContent = 'no answer any more: the run has been stopped';
          return;
        }
      }
      setTimeout(ask, 1000);
    };
    setTimeout(ask, 1000);
  }

  startCharts();
  markPlace();
  unfoldForPrint();
  if (location.protocol.startsWith('http')) {
    returnToPlace();
    const bar = document.getElementById('under-way');
    if (bar) followRun(bar);
  }
})();
