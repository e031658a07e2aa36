// The steps of a program, one by one.
#include "model/world.hpp"

#include "model/faults.hpp"

#include <algorithm>
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

}  // namespace

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

}  // namespace naru::testing
