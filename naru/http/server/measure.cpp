// Measure: what a loop has counted and holds, for whoever asks.
#include <naru/http/h2/stream.hpp>
#include <naru/http/server/measuring.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace naru::http {

static_assert(shed_names.size() == static_cast<std::size_t>(shed_reason::count));

void worker::measure(server_metrics& into, bool anew) {
    counts_.copy_to(into);
    into.cache_hits = caches_.hits;
    into.cache_misses = caches_.misses;
    measure_handshakes(into);
    std::size_t upgraded = 0;  // that are connections still
    turns_.for_each([&](turn& each) {
        const connection& link = each.owner;
        into.bytes_out += link.is_stream_ ? 0 : link.handed_over() - each.sent;
        if (link.is_stream_) return;
        using phase = connection::phase;
        if (each.is_upgraded) {
            ++upgraded;
            return;
        }
        ++(link.phase_ == phase::closing                                         ? into.open_closing
           : link.phase_ == phase::starved                                       ? into.open_starved
           : link.phase_ == phase::body || link.reads_for_call()                 ? into.open_reading
           : link.phase_ == phase::sending || link.phase_ == phase::handing_over ? into.open_sending
           : link.phase_ == phase::idle || link.phase_ == phase::head            ? into.open_idle
                                                                                 : into.open_working);
    });
    into.open_http2 = sessions_.live();
    into.open_streams = streams_.live();
    into.open_upgraded = upgrades_.running;
    const std::size_t told = into.open_closing + into.open_starved + into.open_reading + into.open_sending +
                             into.open_idle + into.open_working + into.open_http2 + upgraded;
    into.open_idle += connections_.live() - std::min(connections_.live(), told);
    const buffer_pool& pool = loop_.buffers();
    into.buffers = pool.capacity();
    into.buffers_leased = pool.leased();
    into.buffers_held = held_;
    into.aside_bytes = aside_bytes_;
    into.cached_files = caches_.cached.entries;
    into.cached_bytes = caches_.cached.bytes;
    into.cached_descriptors = caches_.cached.descriptors;
    into.loose_bytes = caches_.loose.bytes;
    into.longest_tick = {longest_tick_, counts_.routes[route_of_tick_]->pattern};
    if (anew) longest_tick_ = duration(0);
}

measured_loop::running::running(measured_loop& of) noexcept : of_(of) {
    const std::lock_guard held(of_.mutex_);
    of_.runs_ = true;
}

// The last answers: from here on the loop is asked no more.
measured_loop::running::~running() {
    of_.worker_.hand_over_log();
    std::optional<server_metrics> last;
    try {
        last.emplace();
        of_.worker_.measure(*last, false);
        last->longest_tick = {};
    } catch (const std::bad_alloc&) {
        last.reset();
    }
    std::vector<question> left;
    {
        const std::lock_guard held(of_.mutex_);
        of_.runs_ = false;
        of_.ended_ = true;
        of_.last_ = std::move(last);
        left.swap(of_.questions_);
    }
    for (const question& each : left)
        answer(each, of_.last_ ? &*of_.last_ : nullptr);
}

void measured_loop::ask(const std::shared_ptr<measurement>& asked, bool anew) {
    const question to{asked, anew};
    std::optional<server_metrics> got;
    {
        const std::lock_guard held(mutex_);
        if (runs_) {
            questions_.push_back(to);
            loop_.post([own = shared_from_this()] { own->answer_all(); });
            return;
        }
        got = last_;
        if (!ended_) worker_.measure(got.emplace(), anew);
    }
    answer(to, got ? &*got : nullptr);
}

void measured_loop::hold(std::shared_ptr<void> until) {
    const std::lock_guard held(mutex_);
    if (runs_) loop_.post([until = std::move(until)] { (void)until; });
}

// A loop that runs no more calls what was posted when it is destroyed: its worker has gone before.
void measured_loop::tell(std::move_only_function<void(worker&)> what) {
    loop_.post([own = shared_from_this(), what = std::move(what)]() mutable {
        {
            const std::lock_guard held(own->mutex_);
            if (!own->runs_) return;
        }
        what(own->worker_);
    });
}

// On the loop's thread. After its end there are no questions left, and nothing of the worker is touched.
void measured_loop::answer_all() noexcept {
    std::vector<question> asked;
    {
        const std::lock_guard held(mutex_);
        asked.swap(questions_);
    }
    for (const question& each : asked) {
        try {
            server_metrics own;
            worker_.measure(own, each.anew);
            answer(each, &own);
        } catch (const std::bad_alloc&) {
            answer(each, nullptr);
        }
    }
}

void measured_loop::answer(const question& to, const server_metrics* with) noexcept {
    const std::lock_guard held(to.asked->mutex);
    try {
        if (with != nullptr) {
            to.asked->sum.add(*with);
            ++to.asked->sum.loops;
        }
    } catch (const std::bad_alloc&) {  // it counts as one that is silent
    }
    --to.asked->missing;
    to.asked->changed.notify_all();
}

server_metrics measure_all(const std::vector<std::shared_ptr<measured_loop>>& loops,
                           std::chrono::milliseconds patience, bool anew) {
    const auto asked = std::make_shared<measurement>();
    asked->missing = static_cast<unsigned>(loops.size());
    for (const auto& each : loops)
        each->ask(asked, anew);
    std::unique_lock held(asked->mutex);
    asked->changed.wait_for(held, patience, [&] { return asked->missing == 0; });
    server_metrics sum = asked->sum;
    sum.silent_loops = static_cast<unsigned>(loops.size()) - sum.loops;
    sum.loops = static_cast<unsigned>(loops.size());
    return sum;
}

}  // namespace naru::http
