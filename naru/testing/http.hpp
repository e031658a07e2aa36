// Testing a site: requests that need no server, no port of one's own and no thread.
#pragma once

#include <naru/http/site/site.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::http {

/// An answer, taken apart.
struct test_answer {
    unsigned status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    std::vector<std::string> reports;  ///< what the operator would have been told meanwhile

    /// The first field of that name, whatever its case; empty if there is none.
    std::string_view field(std::string_view name) const noexcept;
};

/// A site with a loop of its own, which runs within `ask`, on the caller's thread: handlers may check things
/// there. Blocking handlers and files have their threads as they do in a server.
class test {
 public:
    explicit test(site tested);
    ~test();
    test(const test&) = delete;
    test& operator=(const test&) = delete;

    /// One request on a connection of its own, and the whole answer. `fields`: complete lines beside Host,
    /// Connection and Content-Length. Throws std::runtime_error if the connection ends without a whole
    /// answer.
    test_answer ask(std::string_view method, std::string_view target, std::string_view body = {},
                    std::string_view fields = {});
    /// The bytes that come back for these until the connection's end.
    std::string exchange_bytes(std::string_view request);

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru::http
