// Shed: clients that are too slow are let go; and when something that all share runs out, those who have held
// most of it for the longest time. What each costs at most stands in docs/operations.md.
#include <naru/http/exchange/call.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace naru::http {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// Sums by powers of two: from which on the greatest are together as much as is wanted. Allocates nothing.
class histogram {
 public:
    static std::size_t bucket_of(std::uint64_t value) noexcept {
        return static_cast<std::size_t>(std::bit_width(value));
    }

    void add(std::uint64_t value, std::size_t cost) noexcept { sums_[bucket_of(value)] += cost; }

    /// Afterwards `takes` is true for the greatest, until they are `wanted` together.
    void choose(std::size_t wanted) noexcept {
        first_ = sums_.size();
        while (first_ > 0 && wanted > 0) {
            --first_;
            in_first_ = wanted;
            wanted -= std::min(wanted, sums_[first_]);
        }
    }
    bool takes(std::uint64_t value, std::size_t cost) noexcept {
        const std::size_t bucket = bucket_of(value);
        if (bucket != first_) return bucket > first_;
        if (in_first_ == 0) return false;
        in_first_ -= std::min(in_first_, cost);
        return true;
    }

 private:
    std::array<std::size_t, 65> sums_{};
    std::size_t first_ = 65;    // the smallest bucket of which some are taken
    std::size_t in_first_ = 0;  // so much of it
};

std::uint64_t in_milliseconds(duration time) noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(duration_cast<milliseconds>(time).count(), 0));
}

// What a rate comes to in a time.
std::int64_t bytes_in(std::uint64_t rate, duration time) noexcept {
    return static_cast<std::int64_t>(static_cast<double>(rate) * std::chrono::duration<double>(time).count());
}

constexpr std::array<std::string_view, static_cast<std::size_t>(shed_reason::count)> reasons = {
    "too slow to take an answer",
    "too slow to send a body",
    "holding buffers that were needed",
    "refused for want of a buffer",
    "holding the most memory for requests that wait",
    "holding listings or replaced files for longest",
    "answered 503 because others hold too many of them",
    "idle when descriptors were needed",
    "refused for their address had too many connections",
    "refused because too many TLS handshakes were under way",
    "refused because they came too often",
    "refused because they are no trusted proxies",
    "closed for want of a good header of the PROXY protocol",
    "resetting HTTP/2 streams too often",
    "making us reset HTTP/2 streams too often",
    "sending HTTP/2 heads in too many CONTINUATION frames",
    "sending too many HTTP/2 SETTINGS",
    "sending too many HTTP/2 PINGs",
    "sending too many empty HTTP/2 frames",
    "sending too many HTTP/2 PRIORITY frames",
    "sending too many HTTP/2 WINDOW_UPDATEs",
    "sending HTTP/2 heads that are too large",
};

}  // namespace

std::string_view describe(shed_reason why) noexcept { return reasons[static_cast<std::size_t>(why)]; }

// ---------------------------------------------------------------------------------------- one client

std::uint64_t connection::handed_over() const noexcept {
    const turn& x = *turn_;
    if (is_stream_) return x.sent - as_stream().on_its_way();
    show_progress();
    return x.sent + (x.sending.idle() ? 0 : x.sending.progress) +
           (x.sending_file.idle() ? 0 : x.sending_file.progress);
}

std::optional<duration> connection::stalled(instant now) noexcept {
    if (!is_sending()) return std::nullopt;
    auto& pace = turn_->pace;
    if (const std::uint64_t gone = handed_over(); gone != pace.seen) {
        pace.seen = gone;
        pace.moved = now;
    }
    return now - pace.moved;
}

std::optional<duration> connection::silent(instant now) const noexcept {
    if (phase_ == phase::multiplexed) return session_->idle_for(now);
    if (phase_ != phase::idle || !armed()) return std::nullopt;
    const timeouts& after = worker_.options_.timeouts;
    return now - (deadline - (asked_ ? after.keep_alive : after.head));
}

std::size_t connection::buffers_held() const noexcept {
    return (turn_->input != nullptr) + (turn_->output != nullptr) +
           (is_stream_ ? 0 : worker_.loop_.kept_for(target));
}

std::size_t connection::loose_bytes() const noexcept {
    if (!has_turn_ || turn_->held == nullptr || turn_->held->in_cache) return 0;
    return turn_->held->content->bytes_in_memory() / turn_->held->holders;
}

void connection::shed(shed_reason why) noexcept {
    if (has_turn_) turn_->cut_by = static_cast<std::uint8_t>(1 + static_cast<unsigned>(why));
    worker_.count_shed(why);
    reset_link();
    close();
}

// Closing: what is not lent goes back now, and what is counts as good as returned.
void connection::leave() noexcept {
    turn& x = *turn_;
    if (phase_ == phase::starved || phase_ == phase::queued) x.waiting.unlink();
    release_input();
    if (x.output != nullptr) {
        --worker_.held_;
        ++worker_.leaving_buffers_;
    }
    x.leaving = loose_bytes();
    worker_.leaving_loose_ += x.leaving;
}

void connection::return_leaving() noexcept {
    if (turn_->output != nullptr) {
        ++worker_.held_;
        --worker_.leaving_buffers_;
    }
    worker_.leaving_loose_ -= turn_->leaving;
}

void connection::look(instant now) noexcept {
    if (phase_ == phase::body || reads_for_call()) return look_at_body(now);
    if (phase_ == phase::sending) return look_at_answer(now);
    turn_->pace.begun = instant::min();
    if (phase_ == phase::serving) look_for_end();  // the last touch
}

// Where nothing is received, because it would be the body that nobody asks for: now and then (see look).
void connection::look_for_end() noexcept {
    call* const calls = turn_->calls;
    if (is_stream_ || calls == nullptr || calls->peer_ended || !operation::idle()) return;
    const peer_end seen = worker_.loop_.end_of_peer(target);
    if (seen == peer_end::none) return;
    calls->peer_ended = true;
    if (seen == peer_end::reset) return close();
    if (!calls->options().half_close) calls->scope.stop();
}

// A body that comes byte by byte pushes its deadline back each time; it must come at the least rate, too.
void connection::look_at_body(instant now) noexcept {
    const least_rates& least = worker_.options_.least_rates;
    auto& pace = turn_->pace;
    std::uint64_t rate = least.body;
    if (const call* const calls = turn_->calls; calls != nullptr)
        rate = calls->options().least_body_rate.value_or(rate);
    const auto come = static_cast<std::int64_t>(turn_->body.bytes_read());
    const bool begins = pace.begun == instant::min() || !pace.of_body;
    if (!begins && now - pace.begun < least.over) return;
    if (!begins && come - pace.at_begin < bytes_in(rate, least.over)) {
        if (!timed_out_) worker_.count_shed(shed_reason::slow_body);
        timed_out_ = true;
        cancel_receive();  // ends in 408
        return;
    }
    pace.of_body = true;
    pace.begun = now;
    pace.at_begin = come;
}

// A client may be slow as long as it takes something within the time for it, and no less than the least rate.
// What counts is what its system has acknowledged: the send buffer may be large, and room in it rare.
void connection::look_at_answer(instant now) noexcept {
    const least_rates& least = worker_.options_.least_rates;
    const duration limit = worker_.options_.timeouts.write;
    const duration between = std::min<duration>(limit, least.over) / limits::looks_per_time;
    if (turn_->input != nullptr && stalled(now).value_or(duration(0)) > limits::slow_after) park_input();
    auto& pace = turn_->pace;
    if (pace.begun == instant::min() || pace.of_body) {
        pace.of_body = false;
        pace.begun = instant::max();
        pace.look = now + between;
        return;
    }
    (void)stalled(now);
    if (now < pace.look) return;
    pace.look = now + between;
    const auto unseen = is_stream_ ? 0 : static_cast<std::int64_t>(worker_.loop_.unacknowledged(target));
    const std::int64_t taken = static_cast<std::int64_t>(pace.seen) - unseen;
    if (pace.begun == instant::max()) {
        pace.taken = pace.at_begin = taken;
        pace.begun = now;
    }
    if (taken > pace.taken) {
        pace.taken = taken;
        pace.moved = now;
    }
    if (now - pace.moved >= limit) return shed(shed_reason::slow_answer);
    if (now - pace.begun < least.over) return;
    if (taken - pace.at_begin < bytes_in(least.answer, now - pace.begun))
        return shed(shed_reason::slow_answer);
    pace.begun = now;
    pace.at_begin = taken;
}

// ---------------------------------------------------------------------------------------- all of a loop

worker::look_timer::look_timer(worker& of) noexcept
    : timer([](timer& expired) noexcept { static_cast<look_timer&>(expired).owner.look(); }), owner(of) {}

bool worker::is_scarce() const noexcept {
    const buffer_pool& pool = loop_.buffers();
    const std::size_t left = pool.capacity() - pool.leased() + leaving_buffers_;
    return left < limits::scarce_buffers(pool.capacity());
}

bool worker::is_short() const noexcept {
    return held_ > limits::held_buffers(loop_.buffers().capacity()) || is_scarce();
}

std::uint32_t worker::streams_allowed() const noexcept {
    return lowers_streams_ ? limits::h2_streams_in_crowd : limits::h2_streams;
}

bool worker::is_crowded() const noexcept {
    return is_short() ||
           streams_.live() >= (lowers_streams_ ? limits::h2_streams_crowd_over : limits::h2_streams_crowd);
}

// Who has more streams under way than it may begin keeps them.
void worker::look_at_crowd(instant now) noexcept {
    if (sessions_.live() == 0) {
        lowers_streams_ = false;
        return;
    }
    const bool crowded = is_crowded();
    if (crowded) crowded_ = now;
    if (crowded == lowers_streams_ || (!crowded && now - crowded_ < limits::h2_crowd_over_after)) return;
    lowers_streams_ = crowded;
    sessions_.for_each([](h2::session& each) { each.tell_streams(); });
}

// At the end of this tick, when no connection is being served; or after the interval, if nothing is short.
void worker::look_soon() noexcept {
    const bool hurry = is_short() || (!lowers_streams_ && is_crowded()) || relieving_ || !starved_.empty() ||
                       aside_bytes_ > limits::aside_bytes;
    const instant when =
        hurry ? std::max(loop_.now(), saturating_add(looked_, limits::look_interval_when_scarce))
              : saturating_add(loop_.now(), look_interval_);
    if (!look_.armed() || when < look_.deadline) loop_.arm(look_, when);
}

void worker::look() noexcept {
    const instant now = loop_.now();
    looked_ = now;
    turns_.for_each([now](turn& each) { each.owner.look(now); });
    look_at_crowd(now);
    if (is_short() || relieving_) relieve_buffers(now);
    offer_buffers();
    if (!queued_.empty()) give_turns_soon();
    sessions_.for_each([](h2::session& each) { each.offer_output(); });
    if (aside_bytes_ > limits::aside_bytes) relieve_aside();
    report_shed(now);
    const bool unreported = std::ranges::any_of(shed_, [](std::uint64_t each) { return each > 0; });
    if (turns_.live() > 0 || unreported || (lowers_streams_ && sessions_.live() > 0)) look_soon();
}

// To those who have waited for longest. What they do with them is done here, so the rest has its turn at the
// next look.
void worker::offer_buffers() noexcept {
    for (unsigned count = 0; count < limits::offered_per_look && !starved_.empty(); ++count) {
        auto& first = static_cast<turn::disk_step&>(static_cast<disk_waiter&>(*starved_.front()));
        if (!first.owner.owner.offer_output()) return;
    }
}

// From whoever has been stalled for longest on, until `cost` of those who are closed comes to what is wanted.
// False: there are more of them than may be closed in one turn.
template <class Cost>
bool worker::shed_slowest(instant now, std::size_t wanted, duration least, shed_reason why,
                          Cost cost) noexcept {
    histogram by_age;
    const auto visit = [&](auto use) {
        turns_.for_each([&](turn& each) {
            const auto age = each.owner.stalled(now);
            const std::size_t gives = age && *age >= least ? cost(each.owner) : 0;
            if (gives > 0) use(each.owner, in_milliseconds(*age), gives);
        });
    };
    visit([&](connection&, std::uint64_t age, std::size_t gives) { by_age.add(age, gives); });
    by_age.choose(wanted);
    unsigned left = limits::shed_per_look;
    bool all = true;
    visit([&](connection& each, std::uint64_t age, std::size_t gives) {
        if (!by_age.takes(age, gives)) return;
        all = left > 0;
        if (left == 0) return;
        --left;
        each.shed(why);
    });
    return all;
}

void worker::relieve_buffers(instant now) noexcept {
    turns_.for_each([](turn& each) {
        const bool waits_for_turn = each.owner.phase_ == connection::phase::queued;
        if (waits_for_turn || each.owner.is_sending()) each.owner.park_input(2 * naru::limits::buffer_bytes);
    });
    sessions_.for_each([](h2::session& each) { each.shed_if_stalled(); });
    const buffer_pool& pool = loop_.buffers();
    const std::size_t all = pool.capacity();
    const std::size_t left = all - pool.leased() + leaving_buffers_;
    const bool scarce = left < limits::scarce_buffers(all);
    const std::size_t enough = limits::held_buffers_after(all);
    const bool over = held_ > limits::held_buffers(all) || relieving_;
    relieving_ = false;
    std::size_t wanted = over && held_ > enough ? held_ - enough : 0;
    if (scarce) wanted = std::max(wanted, 2 * limits::scarce_buffers(all) - left);
    if (wanted == 0) return;
    relieving_ =
        !shed_slowest(now, wanted, scarce ? limits::slow_after_when_scarce : limits::slow_after,
                      shed_reason::buffers, [](const connection& each) { return each.buffers_held(); });
}

// The largest first.
void worker::relieve_aside() noexcept {
    histogram by_size;
    const auto visit = [this](auto use) {
        connections_.for_each([&](connection& each) {
            const std::size_t bytes = each.is_closing() ? 0 : each.bytes_aside();
            if (bytes > 0) use(each, bytes);
        });
    };
    std::size_t all = 0;
    visit([&](connection&, std::size_t bytes) {
        by_size.add(bytes, bytes);
        all += bytes;
    });
    const std::size_t enough = limits::aside_bytes / 4 * 3;
    by_size.choose(all > enough ? all - enough : 0);
    unsigned left = limits::shed_per_look;  // the rest, if they are still too many, at the next one
    visit([&](connection& each, std::size_t bytes) {
        if (left == 0 || !by_size.takes(bytes, bytes)) return;
        --left;
        each.shed(shed_reason::aside);
    });
}

std::size_t worker::loose_excess() const noexcept {
    const std::size_t room = limits::loose_bytes + leaving_loose_;
    return caches_.loose.bytes > room ? caches_.loose.bytes - room : 0;
}

// Room for a document of a kind that may outlive its place in the cache, and is in the books already. Who has
// been slow for a while makes room; what they hold comes back when they have been closed.
bool worker::has_room_for(const document& what) noexcept {
    if (what.is == document::kind::listing && loose_excess() > 0) {
        shed_slowest(loop_.now(), loose_excess() + limits::loose_bytes / 4, limits::slow_after,
                     shed_reason::loose, [](const connection& each) { return each.loose_bytes(); });
        return loose_excess() == 0;
    }
    const std::size_t most = limits::loose_descriptors(descriptors_);
    if (what.descriptors() == 0 || caches_.loose.descriptors <= most) return true;
    shed_slowest(loop_.now(), most / 16 + 1, limits::slow_after, shed_reason::loose,
                 [](const connection& each) -> std::size_t { return each.loose_bytes() > 0 ? 1 : 0; });
    return false;
}

// No descriptor for a new connection: those that have been silent for longest make room for it.
void worker::close_idle() noexcept {
    const instant now = loop_.now();
    histogram by_age;
    const auto visit = [&](auto use) {
        connections_.for_each([&](connection& each) {
            const auto age = each.silent(now);
            if (age && *age >= limits::idle_after) use(each, in_milliseconds(*age));
        });
    };
    visit([&](connection&, std::uint64_t age) { by_age.add(age, 1); });
    by_age.choose(limits::idle_closed_at_once(connections_.live()));
    visit([&](connection& each, std::uint64_t age) {
        if (!by_age.takes(age, 1)) return;
        count_shed(shed_reason::idle);
        each.close();
    });
}

// ---------------------------------------------------------------------------------------- addresses

void worker::count_address(connection& of) noexcept {
    if (of.address_ != address_counts::none || of.is_closing()) return;
    const auto client = client_of(of).where;
    if (client && !is_of_many(client)) of.address_ = addresses_.add(client->network());
}

bool worker::has_too_many(connection& fresh) noexcept {
    const std::size_t most = options_.connections_per_address;
    if (most == 0) return false;
    const bool crowded = watch_.came(connections_, fresh, most_connections_,
                                     [this](connection& each) { count_address(each); });
    return crowded && addresses_.at(fresh.address_) > most;
}

// ---------------------------------------------------------------------------------------- saying so

void worker::count_shed(shed_reason why) noexcept {
    ++shed_[static_cast<std::size_t>(why)];
    ++counts_.shed[static_cast<std::size_t>(why)];
    if (!look_.armed()) loop_.arm(look_, loop_.now());
}

void worker::report_shed(instant now) noexcept {
    if (shed_reported_ != instant::min() && now - shed_reported_ < limits::shed_report_interval) return;
    std::uint64_t all = 0;
    for (const std::uint64_t each : shed_)
        all += each;
    if (all == 0) return;
    shed_reported_ = now;
    const bool told = report([&] {
        std::string text;
        for (std::size_t each = 0; each < shed_.size(); ++each) {
            if (shed_[each] > 0)
                text += fmt::format("{}{} {}", text.empty() ? "" : ", ", shed_[each], reasons[each]);
        }
        return fmt::format("shed {} client{} within {} s: {}", all, all == 1 ? "" : "s",
                           duration_cast<std::chrono::seconds>(limits::shed_report_interval).count(), text);
    });
    if (told) shed_ = {};  // else they are in the next one
}

}  // namespace naru::http
