#include "sim/campaign/campaign.hpp"

#include "sim/campaign/clients.hpp"
#include "sim/campaign/datagrams.hpp"
#include "sim/campaign/middle.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;
using sim::fault;

std::chrono::milliseconds milliseconds(std::uint64_t count) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(count));
}

sim::world_options draw_world(dice& from, const run_options& of) {
    sim::world_options options;
    options.seed = of.seed;
    options.keep_trace = of.keep_trace;
    if (!from.one_in(4)) {
        options.least_latency = std::chrono::microseconds(from.below(2'000));
        options.most_latency = options.least_latency + std::chrono::microseconds(from.below(30'000));
    }
    options.connection_buffer = from.one_in(3) ? from.between(2'000, 20'000) : 256 * 1024;
    options.backends = from.one_in(2) ? sim::manner::completion : sim::manner::readiness;
    if (from.one_in(3)) options.pool_buffers = from.between(64, 512);
    if (!from.one_in(8)) options.faults = sim::faults_of_all_kinds(from.between(50, 1'000));
    if (of.only_plain) options.faults.one_in[fault::datagram_lost] = 0;  // nobody sends any
    for (const fault each : of.without)
        options.faults.one_in[each] = 0;
    return options;
}

http::server_options draw_server(dice& from, std::vector<std::string>& reports) {
    http::server_options options;
    options.h2c = has_tls;
    options.threads = static_cast<unsigned>(from.between(1, 3));
    options.shared_listener = from.one_in(4);
    options.backlog = from.one_in(3) ? static_cast<int>(from.between(1, 8)) : 4096;
    if (from.one_in(2)) options.access_log = "/var/log/access";
    if (from.one_in(3)) {
        backend_options few;
        few.pool_buffers = from.between(16, 64);
        options.engine_options = std::make_shared<const backend_options>(few);
    }
    options.report = [&reports](std::string_view line) {
        sim::world::current()->note("server reports: " + std::string(line));
        reports.emplace_back(line);
    };
    return options;
}

/// One seed's world, and all that is in it.
class campaign_run {
 public:
    explicit campaign_run(const run_options& of)
        : options_(of), from_(of.seed * 2 + 1), world_(draw_world(from_, of)) {
        write_files(server_host_);
        for (sim::host* each : {&honest_host_, &calm_host_})
            each->spare();
        start_server();
        if (options_.only_plain) return;
        sim::host& middle = world_.add_host("middle");
        with_tunnels_ = more_.one_in(2);
        if (more_.one_in(2))
            answers_.emplace(server_host_,
                             [this](loop& on) { return answer_datagrams(on, server_host_.at_port(53)); });
        if (!more_.one_in(2)) return;
        middle_ = &middle;
        middle.spare(more_.one_in(2));
        start_middle();
    }

    outcome_of_run go() {
        begin_clients();
        draw_ends();
        started_task<> misfortunes(*control_, be_unkind());
        const bool ended = run_clients();
        misfortunes.stop();
        if (!ended) {
            book_.fail("clients wait for what never comes");
            for (auto& each : clients_)
                each.stop();
            (void)world_.run_until([this] { return clients_have_ended(); }, 1h);
        }
        world_.heal();
        if (!book_.draining) server_->drain();
        end_middle();
        end_server();
        answers_.reset();
        clients_.clear();
        clients_of_naru_.clear();
        world_.run();
        look_for_leftovers();
        return outcome();
    }

 private:
    void start_server() {
        const sim::world::visit there(server_host_);
        std::vector<http::endpoint> where{{"*:80"}};
        if (has_tls) where.push_back({.listen = "*:443", .tls = secrets_.of_server()});
        http::server_options how = draw_server(from_, reports_);
        if (!options_.only_plain && more_.one_in(4)) {  // it runs out of them
            backend_options few;
            few.pool_buffers = more_.between(4, 12);
            how.engine_options = std::make_shared<const backend_options>(few);
        }
        server_.emplace(make_site(book_), std::move(where), std::move(how));
        server_->start();
    }
    void end_server() {
        server_->wait();
        server_.reset();
    }

    // Two that forward bytes, and a proxy.
    void start_middle() {
        const auto forwards = [this](std::uint16_t port) {
            forwards_.emplace_back(*middle_, [from = middle_->at_port(port), to = server_host_.at_port(port)](
                                                 loop& on) { return forward_connections(on, from, to); });
        };
        forwards(80);
        if (has_tls) forwards(443);
        const sim::world::visit there(*middle_);
        std::vector<http::endpoint> where{{"*:8080"}};
        if (has_tls) where.push_back({.listen = "*:8443", .tls = secrets_.of_proxy()});
        http::client_options how;
        how.connections_per_origin = more_.between(4, 16);
        how.http2 = more_.one_in(2);
        how.tls = secrets_.of_client();
        const bool secure = has_tls && more_.one_in(2);
        proxy_.emplace(make_proxy(book_, secure ? "https://" + secure_ : "http://" + clear_, how),
                       std::move(where), draw_server(more_, reports_));
        proxy_->start();
    }
    void end_middle() {
        forwards_.clear();
        if (!proxy_) return;
        proxy_->drain();
        proxy_->wait();
        proxy_.reset();
    }

    bool clients_have_ended() {
        return std::ranges::all_of(clients_, [](auto& each) { return each.ended(); });
    }

    // Where the server drains, or its host crashes: behind so many steps of the world.
    void draw_ends() {
        const std::uint64_t steps = options_.requests * 8;
        if (from_.one_in(3)) drain_at_ = from_.between(1, steps);
        if (allows(fault::crash) && from_.one_in(3)) crash_at_ = from_.between(1, steps);
        if (middle_ == nullptr) return;
        if (more_.one_in(4)) proxy_drain_at_ = more_.between(1, steps);
        if (allows(fault::crash) && more_.one_in(3)) middle_crash_at_ = more_.between(1, steps);
    }

    bool run_clients() {
        const auto reached = [this](std::uint64_t step) {
            return step != 0 && world_.trace_length() >= step;
        };
        const auto wanted = [&] {
            return clients_have_ended() || reached(drain_at_) || reached(crash_at_) ||
                   reached(proxy_drain_at_) || reached(middle_crash_at_);
        };
        while (world_.run_until(wanted, 100h)) {
            if (clients_have_ended()) return true;
            if (reached(drain_at_)) {
                drain_at_ = 0;
                drain();
            } else if (reached(proxy_drain_at_)) {
                proxy_drain_at_ = 0;
                book_.middle_draining = true;
                world_.note("the proxy drains");
                world_.sometimes(!book_.taken.empty(), "a proxy drains while requests are under way");
                proxy_->drain();
            } else if (reached(middle_crash_at_)) {
                middle_crash_at_ = 0;
                if (!book_.middle_draining) crash_and_restart_middle();
            } else {
                crash_at_ = 0;
                if (!book_.draining) crash_and_restart();
            }
        }
        return false;
    }

    void drain() {
        if (book_.draining) return;
        book_.draining = true;
        book_.drain_limit = saturating_add(clock::now(), http::timeouts().drain);
        world_.note("the server drains");
        world_.sometimes(!book_.begun.empty(), "a drain while requests are under way");
        server_->drain();
    }

    // The power of the server's host fails. What its program does by then has no effect, and it is started
    // anew when the host is.
    void crash_and_restart() {
        world_.sometimes(!book_.begun.empty(), "the server's host crashes while requests are under way");
        ++book_.crashes;
        book_.down = true;
        server_host_.crash();
        server_->drain();
        end_server();
        if (answers_) answers_->stop();
        book_.begun.clear();
        if (book_.handlers != 0) book_.fail("handlers are left behind a crash");
        (void)world_.run_until([] { return false; }, milliseconds(from_.below(5'000)));
        server_host_.restart();
        start_server();
        if (answers_) answers_->restart();
        ++book_.crashes;  // who was refused until now may not know yet
        book_.down = false;
        book_.upset_until = saturating_add(clock::now(), 1min);
    }

    // The same of those between.
    void crash_and_restart_middle() {
        world_.sometimes(!book_.taken.empty(), "the proxy's host crashes while requests are under way");
        ++book_.middle_crashes;
        book_.middle_down = true;
        middle_->crash();
        end_middle();
        book_.taken.clear();
        if (book_.proxying != 0) book_.fail("handlers of the proxy are left behind a crash");
        (void)world_.run_until([] { return false; }, milliseconds(more_.below(5'000)));
        middle_->restart();
        start_middle();
        ++book_.middle_crashes;
        book_.middle_down = false;
        book_.middle_upset_until = saturating_add(clock::now(), 1min);
    }

    /// Perhaps by who stands between. A WebSocket is forwarded only; and a client of naru's that checks whom
    /// it has reached is not.
    void choose_way(errand& of, bool may_forward = true, bool may_proxy = true) {
        of.tunnels = with_tunnels_;
        if (middle_ == nullptr || !more_.one_in(3)) return;
        if (!may_forward || (may_proxy && more_.one_in(2))) {
            if (!may_proxy) return;
            of.by = route::proxied;
            of.tunnels = false;
        } else {
            of.by = route::forwarded;
        }
        const bool proxied = of.by == route::proxied;
        of.where = middle_->at_port(of.where == secure_ ? (proxied ? 8'443 : 443) : (proxied ? 8'080 : 80));
        of.spared = of.spared && middle_->is_spared();
    }

    /// Somebody who asks by hand, in one of the ways that there are.
    task<> by_hand(loop& on, std::uint64_t requests, bool spared) {
        errand of{&on, clear_, from_.roll(), requests, spared};
        const std::uint64_t way = has_tls ? from_.below(8) : 0;
        if (way == 5 || way == 6) {
            of.where = secure_;
            of.tls = way == 5 ? secrets_.http1() : secrets_.http2();
        }
        choose_way(of);
        return way < 6 ? ask_by_hand(book_, of) : ask_by_http2(book_, of);
    }
    /// And by naru's client.
    task<> by_client(loop& on, http::client& client, std::uint64_t requests, bool spared) {
        const bool secure = has_tls && from_.one_in(2);
        errand of{&on, secure ? secure_ : clear_, from_.roll(), requests, spared};
        choose_way(of, !secure);
        return ask_by_client(book_, client, secure ? "https" : "http", of);
    }
    /// A WebSocket.
    task<> talk(loop& on, std::uint64_t requests, bool spared) {
        const bool secure = has_tls && from_.one_in(3);
        errand of{&on, secure ? secure_ : clear_, from_.roll(), requests / 10 + 1, spared};
        if (secure) of.tls = secrets_.http1();
        choose_way(of, true, false);
        return from_.one_in(2) ? talk_by_hand(book_, of) : talk_by_client(book_, of);
    }
    task<> misuse(std::uint64_t requests, bool in_frames) {
        errand of{hostile_.get(), clear_, from_.roll(), requests, false};
        if (!in_frames) {
            choose_way(of, true, false);
            return be_hostile(book_, of);
        }
        const bool http2 = has_tls && !from_.one_in(3);
        if (has_tls && from_.one_in(2)) {
            of.where = secure_;
            of.tls = http2 ? secrets_.http2() : secrets_.http1();
        }
        return be_hostile_in_frames(book_, http2, of);
    }

    /// Bodies piece by piece, as the other side sees them.
    task<> step(loop& on, std::uint64_t requests, bool spared) {
        errand of{&on, clear_, more_.roll(), requests / 10 + 1, spared};
        if (has_tls && more_.one_in(3)) {
            of.where = secure_;
            of.tls = secrets_.http1();
        }
        choose_way(of);
        return ask_step_by_step(book_, of);
    }

    http::client& new_client(loop& on) {
        http::client_options options;
        options.connections_per_origin = from_.between(2, 16);
        options.http2 = !from_.one_in(3);
        options.tls = secrets_.of_client();
        return clients_of_naru_.emplace_back(on, options);
    }

    void begin_clients() {
        http::client& calm_client = new_client(*calm_);
        http::client& harmed_client = new_client(*harmed_);
        const std::uint64_t each = options_.requests / 20 + 1;
        for (int of = 0; of < 10; ++of)
            clients_.emplace_back(*honest_, by_hand(*honest_, each, true));
        for (int of = 0; of < 4; ++of)
            clients_.emplace_back(*calm_, by_client(*calm_, calm_client, each, true));
        for (int of = 0; of < 2; ++of)
            clients_.emplace_back(*honest_, talk(*honest_, each, true));
        for (int of = 0; of < 2; ++of)
            clients_.emplace_back(*harmed_, by_client(*harmed_, harmed_client, each, false));
        for (int of = 0; of < 2; ++of)
            clients_.emplace_back(*harmed_, by_hand(*harmed_, each, false));
        clients_.emplace_back(*harmed_, talk(*harmed_, each, false));
        for (int of = 0; of < 4; ++of)
            clients_.emplace_back(*hostile_, misuse(each / 4 + 1, of % 2 == 1));
        if (options_.only_plain) return;
        for (const bool spared : {true, true, false}) {
            loop& on = spared ? *honest_ : *harmed_;
            clients_.emplace_back(on, step(on, each, spared));
            if (!answers_) continue;
            const errand asks{&on, server_host_.at_port(53), more_.roll(), each / 3 + 1, spared};
            clients_.emplace_back(on, ask_by_datagrams(book_, asks));
        }
    }

    // What the world does beside the rates.
    task<> be_unkind() {
        dice from(from_.roll());
        dice more(more_.roll());
        while (true) {
            auto slept = co_await sleep_for(milliseconds(from.between(1, 3'000)));
            if (!slept) break;
            misfortune(from);
            if (middle_ != nullptr) misfortune_between(more);
        }
        world_.heal();
        if (harmed_host_.is_down()) harmed_host_.restart();
    }

    void misfortune(dice& from) {
        sim::host* const others[] = {&honest_host_, &calm_host_, &harmed_host_, &hostile_host_};
        switch (from.below(6)) {
            case 0:
                if (allows(fault::partition) && !book_.draining)
                    world_.partition(server_host_, *others[from.below(4)],
                                     milliseconds(from.between(1, 2'000)));
                break;
            case 1:
                if (allows(fault::clock_jump))
                    server_host_.jump_clock(
                        std::chrono::seconds(static_cast<std::int64_t>(from.below(7'200)) - 3'600));
                break;
            case 2:
                if (harmed_host_.is_down()) {
                    harmed_host_.restart();
                } else if (allows(fault::crash)) {
                    harmed_host_.crash();
                }
                break;
            case 3:
                world_.set_link(server_host_, *others[from.below(4)], milliseconds(from.below(100)), 0);
                break;
            default:
                break;
        }
    }
    void misfortune_between(dice& from) {
        sim::host* const others[] = {&server_host_, &honest_host_, &calm_host_, &harmed_host_};
        sim::host& other = *others[from.below(4)];
        const std::uint64_t what = from.below(6);
        const auto time = milliseconds(from.between(1, 2'000));
        if (what == 0 && allows(fault::partition) && !book_.draining && !book_.middle_draining)
            world_.partition(*middle_, other, time);
        if (what == 1) world_.set_link(*middle_, other, time / 20, 0);
    }
    bool allows(fault which) const {
        return std::ranges::find(options_.without, which) == options_.without.end();
    }

    void look_for_leftovers() {
        if (book_.handlers != 0) book_.fail(std::to_string(book_.handlers) + " handlers have not ended");
        if (book_.proxying != 0)
            book_.fail(std::to_string(book_.proxying) + " handlers of the proxy have not ended");
        if (world_.open_descriptors() != 0)
            book_.fail(std::to_string(world_.open_descriptors()) + " descriptors are left");
        for (loop* each : {honest_.get(), calm_.get(), harmed_.get(), hostile_.get(), control_.get()}) {
            if (each->buffers().leased() != 0)
                book_.fail(std::to_string(each->buffers().leased()) + " buffers are leased");
            if (each->next_due() != never) book_.fail("a timer is left");
        }
        if (world_.events_ahead() != 0) book_.fail("something is still to happen");
    }

    outcome_of_run outcome() {
        outcome_of_run made;
        world_.sometimes(book_.cut > 0, "a connection is cut");
        world_.sometimes(!reports_.empty(), "the server has something to report");
        if (answers_ || book_.datagrams > 0)
            world_.sometimes(book_.datagrams > 0, "questions in datagrams are answered");
        if (with_tunnels_) world_.sometimes(book_.tunnels > 0, "WebSockets on streams of HTTP/2 are served");
        if (middle_ != nullptr) {
            world_.sometimes(book_.served_by[1] > 0, "clients are served by who forwards bytes");
            world_.sometimes(book_.served_by[2] > 0, "clients are served by the proxy");
        }
        made.requests = book_.asked;
        made.events = world_.trace_length();
        made.served = book_.served;
        made.cut = book_.cut;
        made.happened = world_.happened();
        made.rated = world_.options().faults.one_in;
        for (const auto& [name, count] : world_.sometimes())
            made.sometimes[std::string(name)] += count;
        made.failures = std::move(book_.failures);
        made.trace = world_.trace();
        made.reports = std::move(reports_);
        made.trace_hash = world_.trace_hash();
        made.longest_ms = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(book_.longest).count());
        return made;
    }

    const run_options& options_;
    dice from_;
    dice more_{~options_.seed};  // for what only_plain leaves out
    ledger book_;
    std::vector<std::string> reports_;
    std::uint64_t drain_at_ = 0;  // 0: at the end
    std::uint64_t crash_at_ = 0;  // 0: never
    sim::world world_;
    secrets secrets_;
    sim::host& server_host_ = world_.add_host("server");
    sim::host& honest_host_ = world_.add_host("honest");
    sim::host& calm_host_ = world_.add_host("calm");
    sim::host& harmed_host_ = world_.add_host("harmed");
    sim::host& hostile_host_ = world_.add_host("hostile");
    sim::host& control_host_ = world_.add_host("control");
    std::unique_ptr<loop> honest_ = honest_host_.make_loop();
    std::unique_ptr<loop> calm_ = calm_host_.make_loop();
    std::unique_ptr<loop> harmed_ = harmed_host_.make_loop();
    std::unique_ptr<loop> hostile_ = hostile_host_.make_loop();
    std::unique_ptr<loop> control_ = control_host_.make_loop();
    std::string clear_ = server_host_.at_port(80);
    std::string secure_ = server_host_.at_port(443);
    bool with_tunnels_ = false;
    sim::host* middle_ = nullptr;
    std::uint64_t proxy_drain_at_ = 0;
    std::uint64_t middle_crash_at_ = 0;
    std::optional<http::server> server_;
    std::optional<sim::process> answers_;
    std::deque<sim::process> forwards_;
    std::optional<http::server> proxy_;
    std::deque<http::client> clients_of_naru_;
    std::deque<started_task<>> clients_;
};

}  // namespace

outcome_of_run run_seed(const run_options& options) {
    secrets::prepare();
    return campaign_run(options).go();
}

}  // namespace naru::campaign
