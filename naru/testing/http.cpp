#include <naru/testing/http.hpp>

#include <naru/coro/run.hpp>
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/h1/body.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/message/status.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/http/site/site_data.hpp>
#include <naru/loop/environment.hpp>
#include <naru/net/tcp_listener.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace naru::http {

struct test::state {
    explicit state(http::site&& tested)
        : home(make_backend()),
          site(std::move(tested).take()),
          serving(home, options, site, threads, nullptr,
                  [this](std::string_view line) { reports.emplace_back(line); }) {}

    static std::unique_ptr<backend> make_backend() {
        backend_choice choice = environment::current().make_backend(engine::automatic);
        if (choice.backend == nullptr)
            throw std::runtime_error("no engine can be used here: " + choice.reason);
        return std::move(choice.backend);
    }

    server_options options;
    loop home;
    std::shared_ptr<const detail::site_data> site;
    blocking_threads threads;
    std::vector<std::string> reports;
    worker serving;
};

namespace {

template <class T>
T checked(result<T>&& got, const char* what) {
    if (!got) throw std::runtime_error(fmt::format("{}: {}", what, got.error().message()));
    return std::move(*got);
}

task<std::string> talk(loop& home, worker& serving, std::string_view request) {
    auto bound = tcp_listener::bind(home, "127.0.0.1:0");
    tcp_listener listener = checked(std::move(bound), "a listener for the test");
    const address where = checked(listener.local_address(), "its address");
    auto connected = co_await tcp_stream::connect(home, where);
    tcp_stream client = checked(std::move(connected), "a connection for the test");
    auto accepted = co_await listener.accept();
    tcp_stream server = checked(std::move(accepted), "its other end");
    auto released = co_await server.release();
    detached left = checked(std::move(released), "its other end");
    serving.take(checked(home.attach(left.descriptor.release(), descriptor_kind::stream, ownership::own),
                         "its other end"));
    std::string all;
    auto sent = co_await client.send(request);
    if (!sent) co_return all;
    while (true) {
        auto piece = co_await client.receive();
        if (!piece) co_return all;
        all += piece->text();
    }
}

std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos) throw std::runtime_error("the answer ends within its head");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    return line;
}

std::string unchunked(std::string_view text) {
    request_head head;
    head.chunked = true;
    body_reader reader;
    reader.begin(head);
    std::string whole;
    while (true) {
        std::string_view piece;
        const parse_status status = reader.read(text, piece);
        whole += piece;
        if (status == parse_status::complete) return whole;
        if (status == parse_status::refused || text.empty())
            throw std::runtime_error("the answer's chunks are malformed or do not end");
    }
}

test_answer parsed(std::string_view text, bool to_head) {
    test_answer got;
    do {
        const std::string_view line = take_line(text);
        if (!line.starts_with("HTTP/1.1 ") || line.size() < 12)
            throw std::runtime_error("no answer came, but: " + std::string(line.substr(0, 100)));
        got.status = static_cast<unsigned>(std::stoul(std::string(line.substr(9, 3))));
        got.fields.clear();
        while (true) {
            const std::string_view field = take_line(text);
            if (field.empty()) break;
            const std::size_t colon = field.find(':');
            got.fields.emplace_back(field.substr(0, colon), trimmed(field.substr(colon + 1)));
        }
    } while (got.status < 200 && got.status != 101);
    if (to_head || has_no_content(got.status)) return got;
    if (equals_lower(got.field("Transfer-Encoding"), "chunked")) {
        got.body = unchunked(text);
        return got;
    }
    if (const std::string_view length = got.field("Content-Length"); !length.empty()) {
        if (std::to_string(text.size()) != length)
            throw std::runtime_error(
                fmt::format("the answer has {} bytes, and says {}", text.size(), length));
    }
    got.body = text;
    return got;
}

}  // namespace

std::string_view test_answer::field(std::string_view name) const noexcept {
    for (const auto& [key, value] : fields) {
        const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
        if (std::ranges::equal(key, name, {}, lower, lower)) return value;
    }
    return {};
}

test::test(site tested) : state_(std::make_unique<state>(std::move(tested))) {
    state_->serving.on_end([&home = state_->home] { home.stop(); });
}

test::~test() {
    const frame_pool::use frames(state_->serving.frames());
    state_->serving.drain();
    state_->home.run();
    for (worker_pool* each : {&state_->threads.files, &state_->threads.listings, &state_->threads.blocking})
        each->shut_down();
}

std::string test::exchange_bytes(std::string_view request) {
    const frame_pool::use frames(state_->serving.frames());
    return run(state_->home, talk(state_->home, state_->serving, request));
}

test_answer test::ask(std::string_view method, std::string_view target, std::string_view body,
                      std::string_view fields) {
    std::string request =
        fmt::format("{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{}", method, target, fields);
    if (!body.empty()) request += fmt::format("Content-Length: {}\r\n", body.size());
    request.append("\r\n").append(body);
    const std::string bytes = exchange_bytes(request);
    test_answer got = parsed(bytes, method == "HEAD");
    got.reports = std::exchange(state_->reports, {});
    return got;
}

}  // namespace naru::http
