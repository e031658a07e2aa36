#include "completions/judge.hpp"

#include <naru/backend/uring/backend.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/loop/file_operation.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include <sys/resource.h>

namespace naru::testing {

namespace {

constexpr std::size_t most_sides = 16;
constexpr std::size_t most_under_way = 80;
constexpr unsigned most_actions = 1000;
constexpr unsigned ticks_to_the_end = 200;
constexpr const char* path = "/a/file";

// Numbers begin low, or where the limit is near after a few.
unsigned first_number(choices& from) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const auto near = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1u << 30) / 4 * 3);
    return from.one_in(4) ? near - 4 : 100;
}

}  // namespace

uring_options judge::options() {
    using direct = uring_options::direct;
    constexpr direct directs[] = {direct::off, direct::near_limit, direct::always};
    constexpr std::size_t places[] = {64, 4, 8, 2};
    constexpr unsigned entries[] = {16, 8, 4, 64};
    constexpr std::size_t pools[] = {32, 8, 4, 64};
    uring_options chosen;
    const unsigned features = choose_.byte();
    chosen.multishot_accept = (features & 1) == 0;
    chosen.multishot_recv = (features & 2) == 0;
    chosen.bundles = (features & 4) == 0;
    chosen.bundles_from_the_start = (features & 8) != 0;
    chosen.links = (features & 16) == 0;
    chosen.zero_copy_from = (features & 32) == 0 ? 64 : limits::never_zero_copy;
    if ((features & 192) == 64) kernel_.vary();
    chosen.message_wakes = false;
    chosen.direct_descriptors = choose_.of(directs);
    chosen.direct_limit = choose_.of(places);
    chosen.entries = choose_.of(entries);
    chosen.completions = choose_.of(entries);
    chosen.pool_buffers = choose_.of(pools);
    return chosen;
}

judge::judge(std::span<const std::uint8_t> input)
    : choose_(input), kernel_(choose_, *this, first_number(choose_)) {
    loop_ = std::make_unique<loop>(std::make_unique<uring_backend>(options()));
    source_ = kernel_.make(fake_kind::file);
}

judge::~judge() = default;

void judge::run() {
    for (unsigned actions = 0; !choose_.ended() && actions < most_actions; ++actions)
        act(0);
    ending_ = true;
    settle();
    finish();
}

// ---------------------------------------------------------------------------------------- what is done

void judge::act(unsigned depth) {
    depth_ = depth;
    switch (choose_.below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
            if (depth == 0) tick();  // a handler cannot
            return;
        case 4:
            return open_side();
        case 5:
            if (side* const on = pick(); on != nullptr && !on->closing && !on->maybe_closing)
                end(*on, choose_.one_in(3));
            return;
        case 6:
        case 7:
            return cancel_one();
        case 8:
            return give_back_one();
        case 9:
            loop_->backend().wake();
            return;
        default:
            if (side* const on = pick(); on != nullptr && under_way_.size() < most_under_way) submit_on(*on);
            return;
    }
}

side& judge::add(handle name, file_pointer file, descriptor_kind kind) {
    side fresh;
    fresh.name = name;
    fresh.file = std::move(file);
    fresh.kind = kind;
    return sides_.emplace_back(std::move(fresh));
}

void judge::open_side() {
    constexpr descriptor_kind kinds[] = {descriptor_kind::stream,   descriptor_kind::listener,
                                         descriptor_kind::stream,   descriptor_kind::socket,
                                         descriptor_kind::datagram, descriptor_kind::pipe,
                                         descriptor_kind::file,     descriptor_kind::stream};
    const auto open = std::ranges::count_if(sides_, [](const side& each) { return !each.gone; });
    if (static_cast<std::size_t>(open) >= most_sides) return;
    const descriptor_kind kind = choose_.of(kinds);
    if (kind == descriptor_kind::file) {
        const auto made = loop_->reserve_file();
        if (!made) broken("no handle for a file", made.error().value());
        add(*made, nullptr, kind);
        return;
    }
    const fake_kind is = kind == descriptor_kind::listener   ? fake_kind::listener
                         : kind == descriptor_kind::datagram ? fake_kind::datagram
                         : kind == descriptor_kind::pipe     ? fake_kind::pipe
                                                             : fake_kind::stream;
    const int descriptor = kernel_.make(is);
    file_pointer file = kernel_.file_of(descriptor);
    const auto whose = choose_.one_in(3) ? ownership::shared : ownership::own;
    const auto made = loop_->attach(descriptor, kind, whose);
    if (!made && made.error() == errc::blocking_descriptor && file->names == 0)
        return;  // refused, and closed
    if (!made) broken("a descriptor cannot be attached", made.error().value());
    add(*made, std::move(file), kind);
}

side* judge::pick() noexcept {
    if (sides_.empty()) return nullptr;
    side& chosen = sides_[choose_.below(sides_.size())];
    return chosen.gone ? nullptr : &chosen;
}

template <class Ticket>
Ticket& judge::make(side& on, std::unique_ptr<Ticket> fresh) {
    Ticket& made = *fresh;
    made.by = this;
    made.on = &on;
    made.serial = ++serials_;
    made.target = on.name;
    under_way_.push_back(std::move(fresh));
    if (traces())
        std::fprintf(stderr, "begun: %llu, kind %d on %u (%llx)\n",
                     static_cast<unsigned long long>(made.serial), static_cast<int>(made.kind), on.name.slot,
                     static_cast<unsigned long long>(reinterpret_cast<std::uint64_t>(&made.op())));
    (direction_of(made.kind) == direction::read ? on.reads : on.writes).push_back(&made);
    return made;
}

void judge::fill_sends(ticket& of, std::size_t size) {
    of.total = size;
    of.memory.resize(size, std::byte{'m'});
    const std::size_t pieces = choose_.one_in(3) ? 3 : 1;
    for (std::size_t each = 0, at = 0; each < pieces; ++each) {
        const std::size_t part = each + 1 == pieces ? size - at : size / pieces;
        of.outgoing.emplace_back(of.memory.data() + at, part);
        at += part;
    }
}

void judge::submit_on(side& on) {
    const auto simple = [&](operation_kind kind) {
        loop_->submit(make(on, std::make_unique<ticketed<operation>>(kind)));
    };
    switch (on.kind) {
        case descriptor_kind::listener: {
            if (choose_.one_in(8)) return simple(operation_kind::readable);
            auto& accept = make(on, std::make_unique<ticketed<operation>>(operation_kind::accept));
            if (!choose_.one_in(3)) accept.flags = operation_flags::more;
            loop_->submit(accept);
            return;
        }
        case descriptor_kind::datagram:
            switch (choose_.below(4)) {
                case 0:
                    return read(on, 3);
                case 1:
                    return send(on, true);
                case 2:
                    return simple(operation_kind::readable);
                default:
                    return simple(operation_kind::writable);
            }
        case descriptor_kind::file:
            return submit_on_file(on);
        default:
            return submit_on_stream(on);
    }
}

void judge::submit_on_stream(side& on) {
    const auto simple = [&](operation_kind kind) {
        loop_->submit(make(on, std::make_unique<ticketed<operation>>(kind)));
    };
    const bool connecting = std::ranges::any_of(
        on.writes, [](ticket* each) { return each->op().kind == operation_kind::connect; });
    if (on.kind == descriptor_kind::socket && !connecting && !choose_.one_in(4)) {
        auto& connect = make(on, std::make_unique<ticketed<operation>>(operation_kind::connect));
        connect.memory.resize(16);
        connect.address = connect.memory.data();
        connect.count = 16;
        loop_->submit(connect);
        return;
    }
    switch (choose_.below(10)) {
        case 0:
        case 1:
            return read(on, 0);
        case 2:
            return read(on, 1);
        case 3:
            return read(on, 2);
        case 4:
            return simple(operation_kind::readable);
        case 5:
            return simple(operation_kind::writable);
        case 6:
            if (on.kind == descriptor_kind::stream) return send_file(on);
            return send(on, false);
        case 7:
            if (on.kind == descriptor_kind::stream) return simple(operation_kind::shutdown);
            return send(on, false);
        default:
            return send(on, false);
    }
}

void judge::read(side& on, unsigned how) {
    if (how == 0) {
        loop_->submit(make(on, std::make_unique<ticketed<operation>>(operation_kind::recv)));
        return;
    }
    const std::size_t size = choose_.one_in(4) ? 20'000 : 1 + choose_.byte();
    if (how == 3) {
        auto& receive = make(on, std::make_unique<ticketed<receive_from_operation>>());
        receive.memory.resize(size);
        receive.set(on.name, receive.memory);
        loop_->submit(receive);
        return;
    }
    auto& receive = make(on, std::make_unique<ticketed<receive_into_operation>>());
    receive.memory.resize(size);
    if (how == 1) {
        receive.set(on.name, receive.memory);
    } else {
        const std::span<std::byte> all(receive.memory);
        receive.incoming.emplace_back(all.first(size / 2));
        receive.incoming.emplace_back(all.subspan(size / 2));
        receive.set(on.name, receive.incoming.data(), receive.incoming.size());
    }
    loop_->submit(receive);
}

void judge::send(side& on, bool datagram) {
    constexpr std::size_t sizes[] = {50, 1, 100, 400, 20'000, 300'000};
    if (datagram) {
        auto& made = make(on, std::make_unique<ticketed<send_to_operation>>());
        fill_sends(made, 1 + choose_.byte());
        made.set(on.name, made.outgoing.data(), static_cast<std::uint32_t>(made.outgoing.size()), nullptr, 0);
        loop_->submit(made);
        return;
    }
    auto& made = make(on, std::make_unique<ticketed<send_operation>>());
    fill_sends(made, choose_.of(sizes));
    made.set(on.name, made.outgoing.data(), static_cast<std::uint32_t>(made.outgoing.size()));
    made.flags = choose_.one_in(4) ? operation_flags::some : choose_.one_in(4) ? operation_flags::more : 0;
    loop_->submit(made);
}

void judge::send_file(side& on) {
    auto& made = make(on, std::make_unique<ticketed<send_file_operation>>());
    made.in_file = choose_.byte() * 100u;
    made.total = 1 + choose_.byte() * 120u;
    made.set(on.name, lent_descriptor(source_), made.in_file, made.total);
    loop_->submit(made);
}

void judge::submit_on_file(side& on) {
    switch (choose_.below(6)) {
        case 0:
        case 1: {
            auto& open = make(on, std::make_unique<ticketed<open_file_operation>>());
            open.set(on.name, path);
            loop_->submit(open);
            return;
        }
        case 2: {
            auto& read = make(on, std::make_unique<ticketed<read_file_operation>>());
            read.memory.resize(1 + choose_.byte());
            read.in_file = choose_.byte() * 160u;
            read.set(on.name, read.memory, read.in_file);
            loop_->submit(read);
            return;
        }
        case 3: {
            auto& write = make(on, std::make_unique<ticketed<write_file_operation>>());
            write.total = 1 + choose_.byte();
            write.memory.resize(write.total, std::byte{'w'});
            write.set(on.name, write.memory, choose_.byte());
            loop_->submit(write);
            return;
        }
        case 4: {
            auto& sync = make(on, std::make_unique<ticketed<sync_file_operation>>());
            sync.set(on.name);
            loop_->submit(sync);
            return;
        }
        default:
            return submit_chain(on);
    }
}

// Open, read, perhaps send what is read, close.
void judge::submit_chain(side& on) {
    if (on.closing || on.maybe_closing) return;
    auto& open = make(on, std::make_unique<ticketed<open_file_operation>>());
    auto& read = make(on, std::make_unique<ticketed<read_file_operation>>());
    open.set(on.name, path);
    read.memory.resize(1 + choose_.byte());
    read.set(on.name, read.memory, 0);
    open.chained = read.chained = true;
    open.link = &read;
    operation* last = &read;
    side* const to = choose_.one_in(2) ? pick() : nullptr;
    if (to != nullptr && to->kind == descriptor_kind::stream) {
        auto& send = make(*to, std::make_unique<ticketed<send_operation>>());
        fill_sends(send, 1 + choose_.byte());
        send.set(to->name, send.outgoing.data(), static_cast<std::uint32_t>(send.outgoing.size()));
        send.chained = true;
        last->link = &send;
        last = &send;
    }
    if (!choose_.one_in(3)) {
        auto& close = make(on, std::make_unique<ticketed<operation>>(operation_kind::close));
        close.chained = true;
        on.maybe_closing = true;
        last->link = &close;
    }
    loop_->submit(open);
}

void judge::end(side& on, bool release) {
    on.closing = true;
    auto& made = make(
        on, std::make_unique<ticketed<operation>>(release ? operation_kind::release : operation_kind::close));
    if (release) made.ahead = &made.brought;
    loop_->submit(made);
}

void judge::cancel_one() noexcept {
    if (under_way_.empty()) return;
    ticket& chosen = **std::next(under_way_.begin(), choose_.below(under_way_.size()));
    chosen.asked = true;
    if (traces())
        std::fprintf(stderr, "asked to end: %llu\n", static_cast<unsigned long long>(chosen.serial));
    loop_->cancel(chosen.op());
}

void judge::give_back_one() noexcept {
    if (held_.empty()) return;
    const std::size_t chosen = choose_.below(held_.size());
    loop_->buffers().release(held_[chosen]);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(chosen));
}

// ---------------------------------------------------------------------------------------- the end

// Whatever waits gets something: then all that is under way must end, though nobody asks it to.
void judge::settle() {
    kernel_.become(fake_kernel::mood::generous);
    while (!held_.empty())
        give_back_one();
    const std::uint64_t last = serials_;
    const auto count_left = [&] {
        return std::ranges::count_if(under_way_, [&](const auto& each) { return each->serial <= last; });
    };
    // Those of a handle end one after the other, each several ticks behind the one before where a short
    // queue of completions overflows: it is whether another one ends that is limited.
    auto left = count_left();
    unsigned since = 0;
    for (unsigned ticks = 0; since < ticks_to_the_end && left > 0; ++ticks) {
        tick();
        const auto now = count_left();
        since = now < left ? 0 : since + 1;
        left = now;
        // Buffers may all be kept for owners who do not read.
        if (ticks < ticks_to_the_end / 4) continue;
        for (side& each : sides_) {
            const bool reads = each.kind == descriptor_kind::stream || each.kind == descriptor_kind::pipe;
            if (reads && !each.closing && !each.gone && each.reads.empty()) read(each, 0);
        }
    }
    for (const auto& each : under_way_) {
        if (each->serial <= last)
            broken("an operation waits for ever", static_cast<long long>(each->op().kind),
                   static_cast<long long>(each->on->kind));
    }
}

void judge::finish() {
    kernel_.become(fake_kernel::mood::calm);
    for (side& each : sides_) {
        if (!each.gone && !each.closing) end(each, false);
    }
    for (unsigned ticks = 0; ticks < ticks_to_the_end && !under_way_.empty(); ++ticks)
        tick();
    if (!under_way_.empty())
        broken("an operation does not end", static_cast<long long>(under_way_.front()->op().kind));
    for (unsigned ticks = 0; ticks < 4; ++ticks)  // what closes say to the kernel goes out, too
        tick();
    if (loop_->in_flight() != 0) broken("operations are left", static_cast<long long>(loop_->in_flight()));
    if (kernel_.left() != 0) broken("requests are left", static_cast<long long>(kernel_.left()));
    if (loop_->buffers().leased() != kernel_.buffers_lent())
        broken("a buffer is lost", static_cast<long long>(loop_->buffers().leased()),
               static_cast<long long>(kernel_.buffers_lent()));
    kernel_.close(source_);
    loop_.reset();
    if (kernel_.descriptors() != 0)
        broken("descriptors are left", static_cast<long long>(kernel_.descriptors()));
    if (kernel_.places_taken() != 0)
        broken("places are left", static_cast<long long>(kernel_.places_taken()));
}

void judge_completions(std::span<const std::uint8_t> input) { judge(input).run(); }

}  // namespace naru::testing
