// hello_beast PORT: "Hello, World!" on Boost.Beast, one thread, asynchronous with handlers.
#include "common.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/version.hpp>

#include <memory>
#include <string_view>
#include <utility>

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;
using namespace bench;

class session : public std::enable_shared_from_this<session> {
 public:
    explicit session(tcp::socket socket) : stream_(std::move(socket)) {}
    void read() {
        request_ = {};
        http::async_read(stream_, buffer_, request_,
                         [self = shared_from_this()](beast::error_code error, std::size_t) {
                             if (!error) self->answer();
                         });
    }

 private:
    void answer() {
        response_ = http::response<http::string_body>(http::status::ok, request_.version());
        response_.set(http::field::server, "beast");
        response_.set(http::field::content_type, "text/plain");
        response_.keep_alive(request_.keep_alive());
        response_.body() = "Hello, World!";
        response_.prepare_payload();
        http::async_write(stream_, response_,
                          [self = shared_from_this()](beast::error_code error, std::size_t) {
                              if (!error && self->response_.keep_alive()) self->read();
                          });
    }

    // Without a timeout, which beast's stream would arm for each operation.
    tcp::socket stream_;
    beast::flat_buffer buffer_;
    http::request<http::empty_body> request_;
    http::response<http::string_body> response_;
};

void accept(tcp::acceptor& from) {
    from.async_accept([&from](beast::error_code error, tcp::socket socket) {
        if (!error) std::make_shared<session>(std::move(socket))->read();
        accept(from);
    });
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("Boost.Beast of Boost %d.%d\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000);
        return 0;
    }
    if (count != 2) die("usage: %s PORT", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();
    boost::asio::io_context context(1);
    tcp::acceptor acceptor(context, tcp::v4(), listen_on(port, SOCK_NONBLOCK));
    accept(acceptor);
    context.run();
    return 0;
}
