// What a user of the library writes for services of his own, from the guide and with what is installed alone:
// a shop whose clients ask again while its host crashes, a chat under partitions, and a cache over virtual
// days.
#include <naru/http/client/client.hpp>
#include <naru/http/http.hpp>
#include <naru/http/websocket/client.hpp>
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>
#include <naru/testing/seeds.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace http = naru::http;

// ------------------------------------------------------------------------------------ a shop

constexpr const char* book_path = "/var/lib/orders";

// An order is answered when it stands in the book, and the book is on the disk. One that stands there already
// is not written again.
class shop {
 public:
    shop(naru::loop& on, bool careful) : loop_(on), careful_(careful) {}

    naru::task<> take(http::exchange& x) {
        const std::string key(x.param("key"));
        auto locked = co_await lock_.lock();
        if (!locked) co_return;
        naru::task<naru::result<void>> writing = write_down(key);
        const auto written = co_await std::move(writing);
        if (written)
            x.respond(201, "text/plain", key);
        else
            x.respond(503);
    }

 private:
    naru::task<naru::result<void>> write_down(const std::string& key) {
        if (!book_) {
            auto opened = co_await naru::file::open(loop_, book_path, naru::open_for::writing());
            if (!opened) co_return naru::fail(opened.error());
            std::string text(64 * 1024, ' ');
            auto got = co_await opened->read(text, 0);
            if (!got) co_return naru::fail(got.error());
            text.resize(*got);
            for (std::size_t line; (line = text.find('\n', end_)) != text.npos; end_ = line + 1)
                orders_.insert(text.substr(end_, line - end_));
            book_ = std::move(*opened);
        }
        if (orders_.contains(key)) co_return naru::result<void>();
        const std::string line = key + "\n";
        auto written = co_await book_->write(line, end_);
        if (!written) co_return naru::fail(written.error());
        if (careful_) {
            auto synced = co_await book_->sync();
            if (!synced) co_return naru::fail(synced.error());
        }
        end_ += line.size();
        orders_.insert(key);
        co_return naru::result<void>();
    }

    naru::loop& loop_;
    bool careful_;
    std::optional<naru::file> book_;
    std::uint64_t end_ = 0;
    std::set<std::string> orders_;
    naru::async_mutex lock_;
};

http::server_options one_thread() {
    http::server_options options;
    options.threads = 1;
    options.report = [](std::string_view line) { naru::sim::world::current()->note(line); };
    return options;
}

naru::task<> keep_shop(bool careful) {
    http::site site;
    site.per_loop([careful](naru::loop& on) { return shop(on, careful); })
        .post("/orders/{key}", [](http::exchange& x) -> naru::task<> { return x.local<shop>().take(x); });
    http::server server(std::move(site), {{.listen = "*:80"}}, one_thread());
    server.start();
    (void)co_await naru::sleep_for(naru::duration::max());  // until it is stopped
}

naru::task<> buy(naru::loop& on, std::string where, naru::sim::world& world) {
    http::client client(on);
    for (int number = 1; number <= 10; ++number) {
        int attempts = 0;
        const std::string url = "http://" + where + "/orders/" + std::to_string(number);
        const auto attempt = [&]() -> naru::task<naru::result<std::string>> {
            ++attempts;
            http::client_request order("POST", url);
            order.body("", "text/plain").total(5s);
            auto answer = co_await client.request(std::move(order));
            if (!answer) co_return naru::fail(answer.error().error);
            if (answer->status() != 201) co_return naru::fail_errno(EAGAIN);
            auto text = co_await answer->text();
            if (!text) co_return naru::fail(text.error().error);
            co_return std::move(*text);
        };
        auto got = co_await naru::retry(naru::back_off(40, 100ms, 2s), attempt);
        if (!got && got.error() == std::errc::operation_canceled) co_return;  // the client is stopped
        world.require(got.has_value(), "an order was never taken");
        world.require(!got || *got == std::to_string(number), "the answer is another order's");
        world.sometimes(attempts > 1, "an order is sent again");
    }
}

void sell(naru::sim::world& world, bool careful) {
    naru::sim::host& host = world.add_host("shop");
    host.write_file(book_path, "");
    naru::sim::process server(host, [careful](naru::loop&) { return keep_shop(careful); });
    const auto on = world.add_host("client").make_loop();
    naru::started_task<> buying(*on, buy(*on, host.name(), world));
    const auto done = [&] { return buying.ended(); };
    while (!world.run_until(done, 100ms + world.random_span(1s))) {
        server.crash();
        (void)world.run_until(done, world.random_span(1s));
        server.restart();
    }
    server.stop();
    std::map<std::string, int> times;
    const std::string book = *host.find_file(book_path);
    std::size_t line = 0;
    for (std::size_t at = 0; (line = book.find('\n', at)) != book.npos; at = line + 1)
        ++times[book.substr(at, line - at)];
    for (int number = 1; number <= 10; ++number)
        world.require(times[std::to_string(number)] == 1, "an order is not in the book once");
    world.sometimes(world.happened()[naru::sim::fault::crash] > 1, "the shop crashes twice");
}

class Shop : public naru::sim::seeds_test {
 protected:
    Shop() {
        options.seeds = 20;
        options.world.least_latency = 1ms;
        options.world.most_latency = 20ms;
        options.world.faults.one_in[naru::sim::fault::reset] = 20;
        options.world.faults.one_in[naru::sim::fault::connect_refused] = 10;
    }
};

TEST_F(Shop, TakesEachOrderOnceWhateverCrashes) {
    in_each_world([](naru::sim::world& world) { sell(world, true); });
}

TEST_F(Shop, WithoutASyncACrashIsFoundToLoseOrders) {
    options.demand_all = false;
    const auto found = naru::sim::run_seeds(options, [](naru::sim::world& world) { sell(world, false); });
    EXPECT_TRUE(found.seed.has_value());
    EXPECT_EQ(found.failure, "an order is not in the book once") << found.text();
}

// In the middle of it all: clients and servers are stopped, and what failed is told with its seed.
TEST_F(Shop, ACheckMayThrow) {
    options.demand_all = false;
    const auto found = naru::sim::run_seeds(options, [](naru::sim::world& world) {
        naru::sim::host& host = world.add_host("shop");
        host.write_file(book_path, "");
        naru::sim::process server(host, [](naru::loop&) { return keep_shop(true); });
        naru::sim::process client(world.add_host("client"), [](naru::loop&) -> naru::task<> {
            (void)co_await naru::sleep_for(naru::duration::max());
        });
        (void)world.run_until([] { return false; }, 1min);
        if (client.running() && host.find_file(book_path)->empty())
            throw std::runtime_error("there are no orders to be taken");
    });
    EXPECT_EQ(found.seed, 1u);
    EXPECT_EQ(found.failure, "an exception: there are no orders to be taken") << found.text();
}

// ------------------------------------------------------------------------------------ a chat

struct chat {
    naru::websocket::room room;
    naru::task<> operator()(http::websocket_peer& peer) {
        const naru::websocket::room::member here(room, peer);
        while (auto said = co_await peer.receive()) {
            const auto line = naru::websocket::prepared_message::text(said->text());
            (void)room.broadcast(line);
        }
    }
};

naru::task<> keep_chat(naru::loop& /*on*/) {
    chat in;
    http::site site;
    site.get("/chat",
             http::websocket([&in](http::websocket_peer peer) -> naru::task<> { co_await in(peer); }));
    http::server server(std::move(site), {{.listen = "*:80"}}, one_thread());
    server.start();
    (void)co_await naru::sleep_for(naru::duration::max());
}

constexpr int lines_each = 20;
constexpr int members = 3;

struct member {
    std::string name;
    std::vector<std::string> heard{};  // but for greetings
    bool has_joined = false;
};

naru::task<> speak(naru::websocket::peer& to, const member& as, const std::deque<member>& all) {
    const auto all_there = [&] {
        for (const member& each : all)
            if (!each.has_joined) return false;
        return true;
    };
    while (!all_there())
        if (!co_await naru::sleep_for(10ms)) co_return;
    for (int line = 0; line < lines_each; ++line) {
        const std::string text = as.name + " " + std::to_string(line);
        auto sent = co_await to.send_text(text);
        if (!sent || !co_await naru::sleep_for(500ms)) co_return;
    }
}

naru::task<> hear(naru::websocket::peer& from, member& as) {
    while (as.heard.size() < std::size_t{lines_each} * members) {
        auto said = co_await from.receive();
        if (!said) co_return;
        as.has_joined = true;  // the first line that one hears may be one's own
        if (!said->text().ends_with("is here")) as.heard.emplace_back(said->text());
    }
    (void)co_await from.close();
}

naru::task<> chat_as(naru::loop& on, naru::address where, member& as, const std::deque<member>& all,
                     naru::sim::world& world) {
    auto peer = co_await naru::websocket::connect(on, where, "chat", "/chat");
    world.require(peer.has_value(), "who wants to chat is not let in");
    if (!peer) co_return;
    const std::string hello = as.name + " is here";
    auto greeted = co_await peer->send_text(hello);
    world.require(greeted.has_value(), "a greeting is not sent");
    co_await naru::when_all(speak(*peer, as, all), hear(*peer, as));
}

class Chat : public naru::sim::seeds_test {};

// Partitions hold lines up, and lose none: each member hears all that was said since it came, in the order in
// which each of the others said it, and all hear the same.
TEST_F(Chat, LosesNoLineToPartitions) {
    options.seeds = 20;
    options.world.least_latency = 1ms;
    options.world.most_latency = 50ms;
    options.world.short_counts = true;
    in_each_world([](naru::sim::world& world) {
        naru::sim::host& host = world.add_host("chat");
        naru::sim::process server(host, keep_chat);
        std::deque<member> all;
        std::vector<std::unique_ptr<naru::loop>> loops;
        std::vector<naru::sim::host*> hosts;
        std::deque<naru::started_task<>> chatting;
        for (int each = 0; each < members; ++each)
            all.push_back({"member" + std::to_string(each)});
        for (member& each : all) {
            hosts.push_back(&world.add_host(each.name));
            loops.push_back(hosts.back()->make_loop());
            chatting.emplace_back(
                *loops.back(),
                chat_as(*loops.back(), *naru::address::parse(host.at_port(80)), each, all, world));
        }
        const auto done = [&] {
            for (auto& each : chatting)
                if (!each.ended()) return false;
            return true;
        };
        while (!world.run_until(done, world.random_span(3s)))
            world.partition(host, *hosts[world.random(members)], world.random_span(5s));
        std::map<std::string, int> next;
        for (const std::string& line : all.front().heard) {
            const std::string name = line.substr(0, line.find(' '));
            world.require(line == name + " " + std::to_string(next[name]++),
                          "a line is lost or out of order");
        }
        for (const member& each : all) {
            world.require(next[each.name] == lines_each, "somebody was not heard to the end");
            world.require(each.heard == all.front().heard, "two have heard different things");
        }
    });
}

// ------------------------------------------------------------------------------------ a cache

constexpr naru::duration fresh = 6h;

// What has been asked for is kept for so long, and then is gone by itself.
class cache {
 public:
    cache(naru::loop& on, std::string origin, naru::task_group& timers)
        : client_(on), origin_(std::move(origin)), timers_(timers) {}

    naru::task<std::optional<std::string>> get(std::string name) {
        if (const auto at = kept_.find(name); at != kept_.end()) co_return at->second;
        ++misses_;
        auto answer = co_await client_.get(origin_ + name);
        if (!answer) co_return std::nullopt;
        auto text = co_await answer->text();
        if (!text) co_return std::nullopt;
        kept_[name] = *text;
        timers_.spawn(forget(name));
        co_return *text;
    }
    std::size_t size() const { return kept_.size(); }
    int misses() const { return misses_; }

 private:
    naru::task<> forget(std::string name) {
        if (co_await naru::sleep_for(fresh)) kept_.erase(name);
    }

    http::client client_;
    std::string origin_;
    naru::task_group& timers_;
    std::map<std::string, std::string> kept_;
    int misses_ = 0;
};

std::int64_t seconds_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(naru::clock::now().time_since_epoch()).count();
}

naru::task<> tell_time(naru::loop& /*on*/) {
    http::site site;
    site.get("/time/{of}",
             [](http::exchange& x) noexcept { x.respond(200, "text/plain", std::to_string(seconds_now())); });
    http::server server(std::move(site), {{.listen = "*:80"}}, one_thread());
    server.start();
    (void)co_await naru::sleep_for(naru::duration::max());
}

naru::task<> use_cache(naru::loop& on, std::string origin, naru::sim::host& own, naru::sim::world& world) {
    const auto body = [&](naru::task_group& timers) -> naru::task<> {
        cache of(on, "http://" + origin, timers);
        const naru::instant begun = naru::clock::now();
        while (naru::clock::now() - begun < 24h * 7) {
            const std::string name = "/time/" + std::to_string(world.random(5));
            naru::task<std::optional<std::string>> getting = of.get(name);
            const std::optional<std::string> got = co_await std::move(getting);
            world.require(got.has_value(), "the cache has no answer");
            const std::int64_t age = seconds_now() - std::atoll(got.value_or("0").c_str());
            world.require(age <= 6 * 3'600 + 1, "the cache gives what is stale");
            world.sometimes(age > 5 * 3'600, "what is nearly stale is given");
            if (world.random(10) == 0) own.jump_clock(std::chrono::hours(world.random(48)) - 24h);
            if (!co_await naru::sleep_for(world.random_span(1h))) co_return;
        }
        world.require(of.misses() <= 5 * (7 * 4 + 1), "the cache asks for what it has");
        if (!co_await naru::sleep_for(fresh)) co_return;
        world.require(of.size() == 0, "something is kept for good");
    };
    (void)co_await naru::with_group(body);
}

class Cache : public naru::sim::seeds_test {};

TEST_F(Cache, IsFreshForDays) {
    options.seeds = 10;
    options.world.least_latency = 1ms;
    options.world.most_latency = 200ms;
    in_each_world([](naru::sim::world& world) {
        naru::sim::host& host = world.add_host("origin");
        naru::sim::process server(host, tell_time);
        naru::sim::host& own = world.add_host("cache");
        const auto on = own.make_loop();
        const naru::instant begun = naru::clock::now();
        naru::run(*on, use_cache(*on, host.name(), own, world));
        world.require(naru::clock::now() - begun > 24h * 7, "days have not passed");
    });
}

}  // namespace
