// Sends a file to whoever connects: send_file_chain FILE [PORT [ENGINE]]
//
// Open, read, send, close, submitted as one chain: each begins when the one before has succeeded. On io_uring
// the kernel goes from one to the next by itself; the file never has a descriptor in the process, but a place
// in the ring's table that is known before it is opened. Elsewhere the loop does the same, one by one.
#include <naru/naru.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace {

// One client: its file, its chain, its end.
class transfer {
 public:
    transfer(naru::loop& on, naru::handle client, std::string path, std::size_t size)
        : loop_(on),
          path_(std::move(path)),
          memory_(size),
          client_(client),
          file_(on.reserve_file().value()) {
        open_.set(file_, path_.c_str());
        read_.set(file_, memory_, 0);
        send_.set(client_, memory_);
        close_.set(file_);
        open_.link = &read_;
        read_.link = &send_;
        send_.link = &close_;
        loop_.submit(open_);
    }

 private:
    template <class Operation, const char* Name>
    struct step : Operation {
        explicit step(transfer& of)
            : Operation([](naru::operation& op) noexcept {
                  // What failed says why; what was behind it says that it was cancelled.
                  if (op.failed()) std::fprintf(stderr, "%s: %s\n", Name, op.error().message().c_str());
              }),
              owner(of) {}
        transfer& owner;
    };
    // The last one: it ends the client, and if the chain broke, the file.
    struct last : naru::close_operation {
        explicit last(transfer& of)
            : naru::close_operation(
                  [](naru::operation& op) noexcept { static_cast<last&>(op).owner.ended(op.failed()); }),
              owner(of) {}
        transfer& owner;
    };

    void ended(bool still_open) noexcept {
        if (still_open) loop_.close(file_);
        loop_.close(client_);
        delete this;
    }

    static constexpr char open_name[] = "open";
    static constexpr char read_name[] = "read";
    static constexpr char send_name[] = "send";

    naru::loop& loop_;
    std::string path_;
    std::vector<std::byte> memory_;
    naru::handle client_;
    naru::handle file_;
    step<naru::open_file_operation, open_name> open_{*this};
    step<naru::read_file_operation, read_name> read_{*this};
    step<naru::send_operation, send_name> send_{*this};
    last close_{*this};
};

struct server {
    naru::loop& loop;
    std::string path;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 2) throw std::runtime_error("usage: send_file_chain FILE [PORT [ENGINE]]");
    const std::string where = std::string("127.0.0.1:") + (argc > 2 ? argv[2] : "7777");
    const auto engine = naru::engine_named(argc > 3 ? argv[3] : "auto");
    if (!engine || !naru::address::parse(where))
        throw std::runtime_error("usage: send_file_chain FILE [PORT [ENGINE]]");
    (void)std::filesystem::file_size(argv[1]);  // throws what is wrong with it
    naru::loop loop(naru::choose_backend(*engine));
    auto socket = naru::listen_on(naru::address::parse(where).value(), {});
    if (!socket) throw std::system_error(socket.error(), "cannot listen on " + where);
    std::printf("listening on %s\n", naru::address::local_of(socket->get())->text().c_str());
    std::fflush(stdout);
    server serving{loop, argv[1]};
    const naru::acceptor::events events{[](void* self, naru::handle client) noexcept {
                                            auto& [on, path] = *static_cast<server*>(self);
                                            std::error_code missing;
                                            const auto size = std::filesystem::file_size(path, missing);
                                            new transfer(on, client, path,
                                                         missing ? 1 : static_cast<std::size_t>(size));
                                        },
                                        nullptr, nullptr, nullptr, &serving};
    naru::acceptor accepting(loop, loop.attach(socket->release(), naru::descriptor_kind::listener).value(),
                             events);
    accepting.start();
    loop.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "send_file_chain: %s\n", error.what());
    return 1;
}
