#include <naru/sim/world.hpp>

#include <naru/core/check.hpp>
#include <naru/loop/loop.hpp>
#include <naru/os/resolve_name.hpp>
#include <naru/sim/addresses.hpp>
#include <naru/sim/backend.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <functional>
#include <new>
#include <utility>

namespace naru::sim {

namespace {

constinit thread_local world* of_this_thread = nullptr;

void mix(std::uint64_t& hash, std::uint64_t value) noexcept {  // FNV-1a, by words
    hash = (hash ^ value) * 0x100000001b3u;
}

}  // namespace

world* world::current() noexcept { return of_this_thread; }

world::world(world_options options)
    : options_(std::move(options)), now_(options_.begin), random_(options_.seed) {
    if (of_this_thread != nullptr) fatal("a thread is in one simulated world at a time");
    of_this_thread = this;
    close_foreign_descriptor = [](int descriptor) noexcept { of_this_thread->close(descriptor); };
}

world::~world() {
    if (!backends_.empty()) fatal("a simulated world ended before its loops");
    events_.clear();  // work that nobody waits for any more
    close_foreign_descriptor = nullptr;
    of_this_thread = nullptr;
}

void world::abandon() noexcept {
    in_force_.reset();
    close_foreign_descriptor = nullptr;
    of_this_thread = nullptr;
}

host& world::add_host(std::string name) {
    const std::size_t number = hosts_.size() + 1;
    const std::string where =
        "10.0." + std::to_string(number / 256) + "." + std::to_string(number % 256) + ":0";
    return hosts_.emplace_back(*this, std::move(name), address::parse(where).value(), number);
}

host& world::here() {
    if (here_ == nullptr) here_ = &add_host("here");
    return *here_;
}

host* world::host_at(const address& where) noexcept {
    if (!is_ipv4(where)) return nullptr;
    for (host& each : hosts_) {
        if (same_host(each.where(), where)) return &each;
    }
    return nullptr;
}

host* world::host_named(std::string_view name) noexcept {
    const auto lower = [](char each) {
        return each >= 'A' && each <= 'Z' ? static_cast<char>(each | 0x20) : each;
    };
    const auto same = [&](char left, char right) { return lower(left) == lower(right); };
    for (host& each : hosts_) {
        if (std::ranges::equal(each.name(), name, same)) return &each;
    }
    return nullptr;
}

// Numbers are their own names, as for the system's resolver; nobody outside is asked.
result<std::vector<address>> world::resolve(const std::string& name, std::uint16_t port, std::size_t most) {
    const std::string with_port = ':' + std::to_string(port);
    std::vector<address> found;
    if (const auto number =
            address::parse((name.find(':') == name.npos ? name : '[' + name + ']') + with_port))
        found.push_back(*number);
    else if (const host* const named = host_named(name))
        found.push_back(*address::parse(named->at_port(port)));
    else if (name == "localhost")
        found.push_back(*address::parse("127.0.0.1" + with_port));
    if (found.empty() || most == 0) return fail(resolve_errc::name_unknown);
    return found;
}

std::uint64_t world::random(std::uint64_t bound) noexcept { return random_() % bound; }

std::chrono::system_clock::time_point world::time_of_day() noexcept {
    const duration set = here_ != nullptr ? here_->clock_offset() : duration::zero();
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now_.time_since_epoch() + set));
}

duration world::latency(const host& from, const host& to) noexcept {
    if (&from == &to) return options_.loopback_latency;
    duration away = options_.least_latency + links_.longer(from, to);
    if (options_.most_latency > options_.least_latency)
        away += random_span(options_.most_latency - options_.least_latency);
    if (strikes(fault::slow)) away += random_span(options_.faults.slow_most);
    return away;
}

duration world::random_span(duration most) noexcept {
    return duration(static_cast<std::int64_t>(random(static_cast<std::uint64_t>(most.count()) + 1)));
}

// Sockets.

result<unique_descriptor> world::open_listener(host& on, const address& where,
                                               const listen_options& options) {
    if (on.is_down()) return fail_errno(ENETDOWN);
    const socket_ref made = network_.make(on, socket_kind::listener);
    made->ipv6_only = options.ipv6_only;
    made->options = {options.no_delay ? 1 : 0, options.send_buffer, options.receive_buffer,
                     static_cast<int>(options.user_timeout.count()), 0};
    if (const std::int64_t bound = network_.bind(made, where, options.reuse_port); bound < 0)
        return fail(outcome::to_error(bound));
    if (const std::int64_t set = network_.listen(made, static_cast<std::size_t>(options.backlog)); set < 0)
        return fail(outcome::to_error(set));
    return name(made);
}

unique_descriptor world::open_stream(host& on) { return name(network_.make(on, socket_kind::stream)); }

result<unique_descriptor> world::open_datagram(host& on, const address& where, const udp_options& options) {
    if (on.is_down()) return fail_errno(ENETDOWN);
    const socket_ref made = network_.make(on, socket_kind::datagram);
    made->ipv6_only = options.ipv6_only;
    made->options = {0, options.send_buffer, options.receive_buffer, 0, options.broadcast ? 1 : 0};
    if (const std::int64_t bound = network_.bind(made, where, options.reuse_port); bound < 0)
        return fail(outcome::to_error(bound));
    return name(made);
}

result<address> world::local_address(int descriptor) noexcept {
    const socket_ref found = find(descriptor);
    if (found == nullptr) return fail_errno(EBADF);
    if (found->local.size() == 0) return fail_errno(EAFNOSUPPORT);
    return found->local;
}

// As the system answers; there are no sockets of the UNIX domain here.
result<void> world::check_adopted(int descriptor, socket_use wanted) const noexcept {
    const socket_ref what = find(descriptor);
    if (what == nullptr) return fail_errno(EBADF);
    if (what->kind == socket_kind::file) return fail_errno(ENOTSOCK);
    switch (wanted) {
        case socket_use::tcp_stream:
            if (what->kind == socket_kind::stream) return {};
            break;
        case socket_use::tcp_listener:
            if (what->kind == socket_kind::listener) return {};
            if (what->kind == socket_kind::stream) return fail(errc::not_listening);
            break;
        case socket_use::udp_socket:
            if (what->kind == socket_kind::datagram) return {};
            break;
        case socket_use::unix_stream:
        case socket_use::unix_listener:
            break;
    }
    return fail(errc::wrong_kind_of_descriptor);
}

result<void> world::check_connected(int descriptor) const noexcept {
    const socket_ref what = find(descriptor);
    if (what == nullptr) return fail_errno(EBADF);
    if (what->state != connection::connected || what->failed != 0) return fail_errno(ENOTCONN);
    return {};
}

result<address> world::peer_address(int descriptor) const noexcept {
    const socket_ref found = find(descriptor);
    if (found == nullptr) return fail_errno(EBADF);
    const bool connected = found->kind == socket_kind::datagram || found->state == connection::connected;
    if (!connected) return fail_errno(ENOTCONN);
    if (found->peer.size() == 0)
        return fail_errno(found->kind == socket_kind::datagram ? ENOTCONN : EAFNOSUPPORT);
    return found->peer;
}

unique_descriptor world::name(socket_ref what) {
    std::size_t index = descriptors_.size();
    if (free_numbers_.empty()) {
        descriptors_.emplace_back();
    } else {
        std::ranges::pop_heap(free_numbers_, std::greater());
        index = free_numbers_.back();
        free_numbers_.pop_back();
        happened(fault::descriptor_reused);
    }
    ++what->names;
    descriptors_[index] = std::move(what);
    return unique_descriptor(foreign_descriptors + static_cast<int>(index));
}

socket_ref world::find(int descriptor) const noexcept {
    const auto index = static_cast<std::size_t>(descriptor) - foreign_descriptors;
    return descriptor >= foreign_descriptors && index < descriptors_.size() ? descriptors_[index] : nullptr;
}

unique_descriptor world::duplicate(int descriptor) {
    socket_ref found = find(descriptor);
    return found == nullptr ? unique_descriptor() : name(std::move(found));
}

void world::close(int descriptor) noexcept {
    if (find(descriptor) == nullptr) return;
    const auto index = static_cast<std::size_t>(descriptor - foreign_descriptors);
    const socket_ref closing = std::exchange(descriptors_[index], nullptr);
    free_numbers_.push_back(index);
    std::ranges::push_heap(free_numbers_, std::greater());
    if (--closing->names == 0) network_.close(*closing);
}

// The trace.

void world::note(std::string_view line) {
    mix(trace_hash_, static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    for (const char each : line)
        mix(trace_hash_, static_cast<unsigned char>(each));
    ++trace_length_;
    if (!options_.keep_trace) return;
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(now_ - options_.begin);
    trace_.push_back(std::to_string(since.count()) + " ns " + std::string(line));
}

void world::step(const char* what, const socket& of, std::uint64_t count) {
    const std::uint64_t between =
        (std::uint64_t{of.local.port()} << 16) | (of.peer.size() != 0 ? of.peer.port() : 0u);
    if (!options_.keep_trace) {
        for (const std::uint64_t each : {static_cast<std::uint64_t>(now_.time_since_epoch().count()),
                                         static_cast<std::uint64_t>(what[0]), between, count})
            mix(trace_hash_, each);
        ++trace_length_;
        return;
    }
    std::string line = of.at->name() + " ";
    line += what;
    line += " port " + std::to_string(between >> 16) + " with " + std::to_string(between & 0xffffu) + ": " +
            std::to_string(count);
    note(line);
}

// Of the environment.

backend_choice world::make_backend(engine which, const backend_options& options, unsigned /*index*/) noexcept
    try {
    backend_choice choice;
    choice.chosen = which;
    choice.backend = here().make_backend(options.pool_buffers);
    choice.reason = "this thread is in a world with backends of its own";
    return choice;
} catch (const std::exception& refusal) {
    backend_choice none;
    none.chosen = which;
    try {
        none.reason = refusal.what();
    } catch (const std::bad_alloc&) {
        none.reason = "out of memory";
    }
    return none;
}

result<unique_descriptor> world::listen(const address& where, const listen_options& options) noexcept try {
    return open_listener(here(), where, options);
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

std::thread world::start_thread(std::move_only_function<void()> body) {
    if (options_.simulate_workers) return environment::start_thread(std::move(body));
    return std::thread(std::move(body));
}

bool world::run_aside(std::move_only_function<void()>& blocking) {
    if (!options_.simulate_workers) return false;
    const duration takes = duration(
        1 + static_cast<std::int64_t>(random(static_cast<std::uint64_t>(options_.most_work.count()) + 1)));
    at(saturating_add(now_, takes), [on = &here(), work = std::move(blocking)]() mutable {
        const visit there(*on);
        work();
    });
    return true;
}

bool world::run_others_until(const std::function<bool()>& done) {
    while (!done()) {
        if (!advance(nullptr, never)) return false;
    }
    return true;
}

bool world::run_until(const std::function<bool()>& done, duration limit) {
    const instant end = saturating_add(now_, limit);
    while (!done()) {
        if (now_ >= end || !advance(nullptr, end)) return done();
    }
    return true;
}

void world::run() {
    while (advance(nullptr, never)) {
    }
}

}  // namespace naru::sim
