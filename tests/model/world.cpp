// The program carried out, to its end.
#include "model/world.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace naru::testing {

using namespace std::chrono_literals;

namespace {

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
