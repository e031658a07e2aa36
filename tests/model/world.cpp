// The program carried out: steps, and the end.
#include "model/world.hpp"

#include "model/faults.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace naru::testing {

using namespace std::chrono_literals;

template <class Operation>
struct world::recorded : record {
    struct embedded : Operation {
        template <class... Arguments>
        explicit embedded(recorded& of, Arguments&&... arguments)
            : Operation(std::forward<Arguments>(arguments)..., &embedded::completed), owner(of) {}
        static void completed(operation& op) noexcept {
            recorded& each = static_cast<embedded&>(op).owner;
            each.home.completed(each);
        }
        recorded& owner;
    };
    template <class... Arguments>
    recorded(world& of, step_kind of_kind, Arguments&&... arguments)
        : record(of_kind), home(of), own(*this, std::forward<Arguments>(arguments)...) {}
    operation& op() noexcept override { return own; }

    world& home;
    embedded own;
};

namespace {

/// Work that runs on a thread, and says there that it did.
struct counted_work : work_operation {
    explicit counted_work(handler on_completion) noexcept : work_operation(&run_it, on_completion) {}
    static void run_it(work_operation& self) {
        auto& each = static_cast<counted_work&>(self);
        each.call();
    }
    std::function<void()> call;
};

std::string number_text(const record& each) { return "operation " + std::to_string(each.number); }

}  // namespace

world::world(loop& on, const backend_variant& variant, duration patience)
    : loop_(on), uring_(is_uring(variant)), patience_(patience), file_text_(pattern(120'000, 7)) {
    unique_descriptor listening = listening_socket();
    where_ = local_of(listening.get()).value();
    listener_ = loop_.attach(listening.release(), descriptor_kind::listener).value();
    for (datagram_socket& each : datagrams_) {
        unique_descriptor made = open_datagram(address::parse("127.0.0.1:0").value(), {}).value();
        each.where = local_of(made.get()).value();
        each.own = loop_.attach(made.release(), descriptor_kind::datagram).value();
    }
    file_ = file_with(file_text_);
    file_path_ = (std::filesystem::temp_directory_path() / ("naru-model-" + std::to_string(process_number())))
                     .string();
    if (in_simulation()) {
        sim::world::current()->here().write_file(file_path_, file_text_);
    } else {
        std::ofstream(file_path_, std::ios::binary) << file_text_;
    }
    pool_ = std::make_unique<worker_pool>(2);
}

world::~world() { std::filesystem::remove(file_path_); }

bool world::carry_out(const program& steps) {
    for (std::size_t at = 0; at < steps.size() && failure_.empty(); ++at) {
        if (steps[at].kind == step_kind::inside) {
            if (at + 1 < steps.size() && steps[at + 1].kind != step_kind::tick)
                inside_.push_back(steps[++at]);
            continue;
        }
        take(steps[at]);
    }
    if (failure_.empty()) deliver_everything();
    if (failure_.empty()) end_everything();
    return failure_.empty();
}

void world::take(const step& each) {
    std::size_t end = 0;
    end_point* const point = open_end(each.a, end);
    switch (each.kind) {
        case step_kind::open_pair:
            return open_pair();
        case step_kind::connect:
            return connect();
        case step_kind::accept:
            return accept();
        case step_kind::cancel:
            if (!records_.empty())
                cancel(records_.size() - 1 - (each.c % std::min<std::size_t>(records_.size(), 16)));
            return;
        case step_kind::send_to:
            return send_to(each.a % 2, each.b);
        case step_kind::receive_from:
            return receive_from(each.a % 2, each.b);
        case step_kind::open_file:
            return open_file();
        case step_kind::read_file:
            return read_file(each.a, each.b, each.c * 25);
        case step_kind::close_file:
            return close_file(each.a);
        case step_kind::work:
            return work();
        case step_kind::post:
            return post();
        case step_kind::arm:
            return arm(each.b % 50, each.c % 2 == 1, each.c);
        case step_kind::disarm:
            if (!alarms_.empty()) loop_.disarm(*alarms_[each.a % alarms_.size()]);
            return;
        case step_kind::tick:
            return ticks(1 + each.a % 4);
        default:
            break;
    }
    if (point == nullptr) return;
    switch (each.kind) {
        case step_kind::receive:
            return receive(end);
        case step_kind::receive_into:
            return receive_into(end, each.b);
        case step_kind::send:
            return send(end, each.b, 1);
        case step_kind::send_pieces:
            return send(end, each.b, 2 + each.c % 7);
        case step_kind::send_file:
            return send_file(end, each.b, each.c);
        case step_kind::readable:
        case step_kind::writable:
            return wait_ready(end, each.kind);
        case step_kind::shut_down:
            return shut_down(end);
        case step_kind::close:
            return close(end, true);
        case step_kind::close_alone:
            return close(end, false);
        case step_kind::release:
            return release(end);
        case step_kind::chain:
            return chain(end, each.b, each.c % 2 == 1);
        default:
            return;
    }
}

void world::take_inside() {
    if (inside_.empty()) return;
    const step next = inside_.front();
    inside_.pop_front();
    take(next);
}

void world::ticks(unsigned count) {
    for (unsigned each = 0; each < count; ++each)
        loop_.run_for_one_tick(0ms);
}

bool world::run_until(const std::function<bool()>& done, const char* what) {
    const instant limit = clock::now() + patience_;
    while (failure_.empty() && !done()) {
        loop_.run_for_one_tick(2ms);
        if (clock::now() < limit) continue;
        std::string pending;
        for (const auto& each : records_) {
            if (each->pending()) {
                pending += "\n  " + number_text(*each) + ", kind " +
                           std::to_string(static_cast<int>(each->kind)) + " on " + std::to_string(each->end) +
                           (each->cancel_asked ? " (cancelled)" : "");
            }
        }
        fail(std::string(what) + " did not come about; pending:" + pending);
    }
    return failure_.empty();
}

template <class Operation>
world::recorded<Operation>& world::make(step_kind kind, int end) {
    auto made = std::make_unique<recorded<Operation>>(*this, kind);
    recorded<Operation>& each = *made;
    each.number = records_.size();
    each.end = end;
    records_.push_back(std::move(made));
    return each;
}

template <class Operation>
world::recorded<Operation>& world::make(step_kind kind, int end, operation_kind of) {
    auto made = std::make_unique<recorded<Operation>>(*this, kind, of);
    recorded<Operation>& each = *made;
    each.number = records_.size();
    each.end = end;
    records_.push_back(std::move(made));
    return each;
}

void world::submit(record& each) {
    each.submitted = true;
    for (operation* member = each.op().link; member != nullptr; member = member->link) {
        for (const auto& other : records_) {
            if (&other->op() == member) other->submitted = true;
        }
    }
    const bool before = std::exchange(submitting_, true);
    loop_.submit(each.op());
    submitting_ = before;
}

void world::open_pair() {
    if (ends_.size() >= 12) return;
    const faults::pause none;
    socket_pair made = tcp_pair(ends_.size() % 4 == 0 ? 8192 : 0, ends_.size() % 4 == 0 ? 8192 : 0);
    for (unique_descriptor* each : {&made.ours, &made.peer}) {
        ends_.emplace_back();
        flows_.emplace_back();
        ends_.back().own = loop_.attach(each->release(), descriptor_kind::stream).value();
    }
}

world::end_point* world::open_end(std::uint32_t a, std::size_t& index) {
    if (ends_.empty()) return nullptr;
    index = a % ends_.size();
    return ends_[index].open ? &ends_[index] : nullptr;
}

void world::receive(std::size_t end) {
    auto& each = make<operation>(step_kind::receive, static_cast<int>(end), operation_kind::recv);
    each.own.target = ends_[end].own;
    ends_[end].reads.push_back(&each);
    submit(each);
}

void world::receive_into(std::size_t end, std::size_t size) {
    auto& each = make<operation>(step_kind::receive_into, static_cast<int>(end), operation_kind::recv_into);
    each.text.resize(size);
    each.own.target = ends_[end].own;
    each.own.data = reinterpret_cast<std::byte*>(each.text.data());
    each.own.count = static_cast<std::uint32_t>(size);
    ends_[end].reads.push_back(&each);
    submit(each);
}

std::string world::next_text(std::size_t size) { return pattern(size, ++texts_); }

void world::send(std::size_t end, std::size_t size, std::size_t pieces) {
    if (ends_[end].chain_busy) return;
    auto& each = make<send_operation>(step_kind::send, static_cast<int>(end));
    each.text = next_text(size);
    if (pieces == 1) {
        each.own.set(ends_[end].own, as_bytes(each.text));
    } else {
        const std::size_t part = size / pieces;  // may be 0: empty pieces are allowed
        for (std::size_t at = 0; at < pieces; ++at) {
            const std::size_t from = at * part;
            each.pieces.emplace_back(
                std::string_view(each.text).substr(from, at + 1 == pieces ? std::string_view::npos : part));
        }
        each.own.set(ends_[end].own, each.pieces.data(), static_cast<std::uint32_t>(pieces));
    }
    ends_[end].writes.push_back(&each);
    out_of(end).sends.push_back(&each);
    submit(each);
}

void world::send_file(std::size_t end, std::size_t size, std::size_t offset) {
    if (ends_[end].chain_busy) return;
    auto& each = make<send_file_operation>(step_kind::send_file, static_cast<int>(end));
    size = std::min(size, file_text_.size() - offset);
    each.text = file_text_.substr(offset, size);
    each.own.set(ends_[end].own, file_, offset, size);
    ends_[end].writes.push_back(&each);
    out_of(end).sends.push_back(&each);
    submit(each);
}

void world::wait_ready(std::size_t end, step_kind kind) {
    auto& each =
        make<operation>(kind, static_cast<int>(end),
                        kind == step_kind::readable ? operation_kind::readable : operation_kind::writable);
    each.own.target = ends_[end].own;
    submit(each);
}

void world::shut_down(std::size_t end) {
    end_point& of = ends_[end];
    const auto sending = [](const record* each) { return each->pending(); };
    if (of.shut || of.chain_busy || std::any_of(of.writes.begin(), of.writes.end(), sending)) return;
    const faults::pause none;
    if (!shutdown_send(loop_.borrow(of.own).get())) return;  // the peer has reset the connection
    of.shut = true;
    out_of(end).ended = true;
}

/// What is pending on it will be cancelled; what is submitted from here on cannot succeed.
void world::give_up(std::size_t end) {
    ends_[end].open = false;
    for (const auto& each : records_) {
        const bool of_an_end = each->kind <= step_kind::release || each->kind == step_kind::chain;
        if (of_an_end && each->end == static_cast<int>(end) && each->pending()) each->cancel_asked = true;
    }
}

void world::close(std::size_t end, bool as_operation) {
    give_up(end);
    out_of(end).ended = true;
    if (as_operation) {
        auto& each = make<operation>(step_kind::close, static_cast<int>(end), operation_kind::close);
        each.own.target = ends_[end].own;
        submit(each);
        if (texts_ % 3 == 0) {  // too late
            auto& late = make<operation>(step_kind::receive, static_cast<int>(end), operation_kind::recv);
            late.own.target = ends_[end].own;
            late.handle_gone = true;
            submit(late);
        }
    } else {
        const bool before = std::exchange(submitting_, true);
        loop_.close(ends_[end].own);
        submitting_ = before;
    }
}

void world::release(std::size_t end) {
    give_up(end);
    if (uring_) into(end).unknown = true;  // what was received ahead is lost there
    auto& each = make<operation>(step_kind::release, static_cast<int>(end), operation_kind::release);
    each.own.target = ends_[end].own;
    submit(each);
}

void world::cancel(std::size_t number) {
    record& each = *records_[number];
    if (!each.pending() || each.kind == step_kind::close || each.kind == step_kind::release) return;
    each.cancel_asked = true;
    const bool before = std::exchange(submitting_, true);
    loop_.cancel(each.op());
    submitting_ = before;
}

void world::connect() {
    if (connects_ >= 20) return;
    ++connects_;
    const faults::pause none;
    unique_descriptor made = open_stream_socket(where_).value();
    const handle own = loop_.attach(made.release(), descriptor_kind::socket).value();
    connecting_.push_back(own);
    auto& each = make<operation>(step_kind::connect, static_cast<int>(connecting_.size()) - 1,
                                 operation_kind::connect);
    each.own.target = own;
    each.own.address = where_.data();
    each.own.count = where_.size();
    submit(each);
}

void world::accept() {
    auto& each = make<operation>(step_kind::accept, -1, operation_kind::accept);
    each.own.target = listener_;
    accept_line_.push_back(&each);
    submit(each);
}

void world::send_to(std::size_t socket, std::size_t size) {
    datagram_socket& of = datagrams_[socket];
    if (of.sends.size() >= 30) return;  // more than a socket holds would be lost, as datagrams are
    auto& each = make<send_to_operation>(step_kind::send_to, static_cast<int>(socket));
    each.text = next_text(std::min<std::size_t>(size, 5000));
    const address& to = datagrams_[socket ^ 1].where;
    each.own.set(of.own, as_bytes(each.text), to.data(), to.size());
    of.sends.push_back(&each);
    submit(each);
}

void world::receive_from(std::size_t socket, std::size_t size) {
    auto& each = make<receive_from_operation>(step_kind::receive_from, static_cast<int>(socket));
    each.text.resize(size);
    each.own.set(datagrams_[socket].own, mutable_bytes(reinterpret_cast<std::byte*>(each.text.data()), size));
    datagrams_[socket].reads.push_back(&each);
    submit(each);
}

void world::open_file() {
    if (files_.size() >= 6) return;
    files_.emplace_back();
    files_.back().own = loop_.reserve_file().value();
    files_.back().busy = true;
    auto& each = make<open_file_operation>(step_kind::open_file, static_cast<int>(files_.size()) - 1);
    each.own.set(files_.back().own, file_path_.c_str());
    submit(each);
}

void world::read_file(std::size_t file, std::size_t size, std::size_t offset) {
    if (files_.empty()) return;
    file %= files_.size();
    if (!files_[file].opened || !files_[file].open) return;
    auto& each = make<read_file_operation>(step_kind::read_file, static_cast<int>(file));
    each.text.resize(size);
    each.own.set(files_[file].own, mutable_bytes(reinterpret_cast<std::byte*>(each.text.data()), size),
                 offset);
    submit(each);
}

void world::close_file(std::size_t file) {
    if (files_.empty()) return;
    file %= files_.size();
    if (files_[file].busy || !files_[file].open) return;
    files_[file].open = false;
    for (const auto& each : records_) {
        if (each->kind == step_kind::read_file && each->end == static_cast<int>(file) && each->pending())
            each->cancel_asked = true;
    }
    auto& each = make<operation>(step_kind::close_file, static_cast<int>(file), operation_kind::close);
    each.own.target = files_[file].own;
    submit(each);
}

// read_file, send, send: nothing else is sent on the end meanwhile, because a member is begun when the one
// before it has succeeded and not when the chain is submitted.
void world::chain(std::size_t end, std::size_t size, bool with_file) {
    end_point& of = ends_[end];
    const auto sending = [](const record* each) { return each->pending(); };
    if (of.chain_busy || std::any_of(of.writes.begin(), of.writes.end(), sending)) return;
    record* first = nullptr;
    record* last = nullptr;
    const auto add = [&](record& each) {
        each.in_chain = true;
        each.behind = last;
        if (last != nullptr) last->op().link = &each.op();
        if (first == nullptr) first = &each;
        last = &each;
    };
    const auto file = std::find_if(files_.begin(), files_.end(),
                                   [](const file_handle& each) { return each.opened && each.open; });
    if (with_file && file != files_.end()) {
        auto& read = make<read_file_operation>(step_kind::read_file, static_cast<int>(file - files_.begin()));
        read.text.resize(std::min<std::size_t>(size, 50'000));
        read.own.set(file->own,
                     mutable_bytes(reinterpret_cast<std::byte*>(read.text.data()), read.text.size()), 11);
        add(read);
    }
    for (int part = 0; part < 2; ++part) {
        auto& each = make<send_operation>(step_kind::chain, static_cast<int>(end));
        each.text = next_text(size);
        each.own.set(of.own, as_bytes(each.text));
        out_of(end).sends.push_back(&each);
        of.writes.push_back(&each);
        add(each);
    }
    of.chain_busy = true;
    submit(*first);
}

void world::work() {
    auto& each = make<counted_work>(step_kind::work, -1);
    each.own.call = [this] {
        worked_.fetch_add(1);
        loop_.post([this] { ++posted_from_work_; });
    };
    each.submitted = true;
    ++works_;
    const bool before = std::exchange(submitting_, true);
    pool_->submit(loop_, each.own);
    submitting_ = before;
}

void world::post() {
    loop_.post([this, turn = posts_++] {
        if (turn != posts_run_) fail("posts ran out of order");
        ++posts_run_;
    });
}

world::alarm_timer::alarm_timer(world& of, std::size_t operation) noexcept
    : timer([](timer& self) noexcept {
          auto& each = static_cast<alarm_timer&>(self);
          if (clock::now() < each.due) each.owner.fail("a timer expired before its deadline");
          if (each.target < each.owner.records_.size()) each.owner.cancel(each.target);
          each.owner.take_inside();
      }),
      owner(of),
      target(operation) {}

void world::arm(std::uint32_t tenths, bool cancels, std::size_t number) {
    const std::size_t target = cancels && !records_.empty() ? number % records_.size() : ~std::size_t{0};
    alarms_.push_back(std::make_unique<alarm_timer>(*this, target));
    alarms_.back()->due = clock::now() + tenths * 100us;
    loop_.arm(*alarms_.back(), alarms_.back()->due);
}

/// What has been sent arrives whole once somebody asks for it; then nothing is left to send.
void world::deliver_everything() {
    inside_.clear();
    const auto all_there = [this] {
        bool done = true;
        for (std::size_t end = 0; end < ends_.size(); ++end) {
            const end_point& of = ends_[end];
            flow& in = into(end);
            if (!of.open || in.unknown || in.end_seen) continue;
            const auto pending = [](const record* each) { return each->pending(); };
            const end_point& peer = ends_[end ^ 1];
            const bool sending = std::any_of(peer.writes.begin(), peer.writes.end(), pending);
            const bool missing = in.received.size() < expected(in).size();
            const bool asked = std::any_of(of.reads.begin(), of.reads.end(), pending);
            if (!sending && !missing && !(in.ended && asked)) continue;
            done = false;
            if (!asked && ends_[end].open) receive(end);
        }
        return done;
    };
    run_until(all_there, "the delivery of all that was sent");
    run_until(
        [this] {
            return std::none_of(records_.begin(), records_.end(), [](const auto& each) {
                return each->pending() &&
                       (each->kind == step_kind::connect || each->kind == step_kind::work ||
                        each->kind == step_kind::open_file || each->kind == step_kind::read_file ||
                        each->kind == step_kind::send_to);
            });
        },
        "the end of what waits for nobody");
    run_until(
        [this] {
            const auto waiting = [](const record* each) { return each->pending(); };
            return std::none_of(accept_line_.begin(), accept_line_.end(), waiting) || accepts_ >= connected_;
        },
        "the acceptance of every connection that was asked for");
    run_until([this] { return posts_run_ == posts_ && posted_from_work_ == worked_.load(); },
              "the run of every post");
    run_until(
        [this] {
            return std::none_of(alarms_.begin(), alarms_.end(),
                                [](const auto& each) { return each->armed(); });
        },
        "the expiry of every timer");
}

void world::end_everything() {
    for (std::size_t each = 0; each < records_.size(); each += 2)
        cancel(each);
    for (std::size_t each = 0; each < ends_.size(); ++each) {
        if (ends_[each].open) close(each, each % 2 == 0);
    }
    for (std::size_t each = 0; each < files_.size(); ++each)
        close_file(each);
    for (const auto& each : records_) {
        if (each->pending()) each->cancel_asked = true;  // their handles are closed now
    }
    for (const handle each : connecting_)
        loop_.close(each);
    for (const datagram_socket& each : datagrams_)
        loop_.close(each.own);
    loop_.close(listener_);
    run_until([this] { return loop_.in_flight() == 0; }, "the end of every operation");
    ticks(3);
    for (const auto& each : records_) {
        if (each->submitted && each->completions != 1)
            fail(*each, "ended " + std::to_string(each->completions) + " times");
    }
    for (std::size_t each = 0; each < ends_.size(); ++each)
        check_flow(each);
    if (works_ < worked_.load()) fail("work ran twice");
    pool_.reset();
}

}  // namespace naru::testing
