// The io_uring floor: the least work with which a completion loop can answer HTTP requests, as a yardstick
// for naru's io_uring engine. There is no parser, no timer, no file and no memory management: it counts
// "\r\n\r\n" in what it receives and sends as many copies of one prebuilt response, whose bytes are given in
// a file (the benchmark takes them from naru's own answer, so that both put the same bytes on the wire).
//
//     floor_io_uring PORT RESPONSE_FILE     answers every request with the bytes of the file
//     floor_io_uring PORT --echo            sends back what it receives
//     floor_io_uring PORT --echo-shared     the same out of large buffers that receives share (Linux 6.12)
//
// One thread on the raw kernel interface, Linux 6.1 or newer. One multishot accept; one multishot recv for
// each connection out of a ring of provided buffers; one io_uring_enter per turn of the loop, which submits
// everything the turn has produced and waits for the next completion (SINGLE_ISSUER and DEFER_TASKRUN: the
// kernel's part of the work is done there and nowhere else). Sends are MSG_DONTWAIT | MSG_WAITALL and skip
// their completion unless they fall short, which makes them final by the time io_uring_enter returns: a
// provided buffer can be echoed from in place, and sends on one connection cannot overtake each other. A
// connection whose peer does not take the whole answer at once is closed: a floor does not queue.
#include "floor.hpp"
#include "raw_io_uring.hpp"

#include <memory>
#include <vector>

namespace {

using namespace bench;

/// What a completion belongs to. The generation keeps a late one from reaching the next connection that got
/// the same descriptor.
struct tag {
    enum kind : std::uint16_t { accept, receive, send, close };

    std::uint64_t pack() const {
        return std::uint64_t{what} << 48 | std::uint64_t{generation} << 32 | std::uint32_t(descriptor);
    }
    static tag unpack(std::uint64_t bits) {
        return {static_cast<kind>(bits >> 48), static_cast<std::uint16_t>(bits >> 32),
                static_cast<int>(bits)};
    }

    kind what;
    std::uint16_t generation;
    int descriptor;
};

class io_uring_floor {
 public:
    explicit io_uring_floor(const floor_options& options)
        : connections_(raise_descriptor_limit()), ring_(4096, 16384) {
        if (options.response_file) responses_ = std::make_unique<prebuilt_responses>(options.response_file);
        listener_ = listen_on(options.port, 0);
        if (options.share_buffers) {
            ring_.provide_buffers(64, 65536, true);
        } else {
            ring_.provide_buffers(1024, 4096);
        }
        arm_accept();
    }

    [[noreturn]] void run() {
        for (;;) {
            ring_.enter(1);
            // The echoes have left their buffers: sends are over when io_uring_enter returns.
            for (const std::uint16_t id : echoed_)
                ring_.recycle(id);
            echoed_.clear();
            ring_.publish_buffers();
            ring_.completions(
                [this](const io_uring_cqe& cqe) { completed(tag::unpack(cqe.user_data), cqe); });
            ring_.publish_buffers();
        }
    }

 private:
    struct connection {
        std::uint16_t generation = 0;
        terminator_scanner scanner;
    };

    void completed(tag of, const io_uring_cqe& cqe) {
        switch (of.what) {
            case tag::accept:
                return accepted(cqe);
            case tag::receive:
                return received(of.descriptor, cqe);
            case tag::send: {  // only when it has failed or fallen short
                // The recv in flight ends with this, and the connection with it.
                if (at(of.descriptor).generation == of.generation) ::shutdown(of.descriptor, SHUT_RDWR);
                return;
            }
            case tag::close:
                return;
        }
    }

    void arm_accept() {
        io_uring_sqe& sqe = push(IORING_OP_ACCEPT, tag{tag::accept, 0, listener_});
        sqe.ioprio = IORING_ACCEPT_MULTISHOT;
        sqe.accept_flags = SOCK_CLOEXEC;
    }

    void accepted(const io_uring_cqe& cqe) {
        if (cqe.res < 0 && cqe.res != -ECONNABORTED) die("accept: %s", std::strerror(-cqe.res));
        if (cqe.res >= 0) {
            at(cqe.res).scanner = {};
            arm_receive(cqe.res);
        }
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm_accept();
    }

    void arm_receive(int descriptor) {
        io_uring_sqe& sqe = push(IORING_OP_RECV, name(tag::receive, descriptor));
        sqe.ioprio = IORING_RECV_MULTISHOT;
        sqe.flags = IOSQE_BUFFER_SELECT;
    }

    void received(int descriptor, const io_uring_cqe& cqe) {
        if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
            const auto id = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
            const std::string_view bytes = ring_.received(cqe);
            if (responses_) {
                std::size_t requests = at(descriptor).scanner.scan(bytes);
                ring_.recycle(id);
                while (requests > 0)
                    send(descriptor, responses_->take(requests));
            } else {
                if (!bytes.empty()) send(descriptor, bytes);
                if ((cqe.flags & bench::more_in_buffer) == 0) echoed_.push_back(id);
            }
        }
        if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
        if (cqe.res > 0 || cqe.res == -ENOBUFS) {
            arm_receive(descriptor);
        } else {  // The peer has closed, or has been cut off. Sends before this are executed before it.
            ++at(descriptor).generation;
            push(IORING_OP_CLOSE, name(tag::close, descriptor)).flags = IOSQE_CQE_SKIP_SUCCESS;
        }
    }

    void send(int descriptor, std::string_view bytes) {
        io_uring_sqe& sqe = push(IORING_OP_SEND, name(tag::send, descriptor));
        sqe.addr = reinterpret_cast<std::uintptr_t>(bytes.data());
        sqe.len = static_cast<unsigned>(bytes.size());
        sqe.msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
        sqe.flags = IOSQE_CQE_SKIP_SUCCESS;
    }

    io_uring_sqe& push(io_uring_op operation, tag of) {
        io_uring_sqe& sqe = ring_.push();
        sqe.opcode = static_cast<std::uint8_t>(operation);
        sqe.fd = of.descriptor;
        sqe.user_data = of.pack();
        return sqe;
    }

    connection& at(int descriptor) { return connections_[static_cast<std::size_t>(descriptor)]; }
    tag name(tag::kind what, int descriptor) { return {what, at(descriptor).generation, descriptor}; }

    std::vector<connection> connections_;  // by descriptor
    raw_io_uring ring_;
    std::unique_ptr<prebuilt_responses> responses_;
    std::vector<std::uint16_t> echoed_;  // buffers whose bytes are in a send being submitted
    int listener_;
};

}  // namespace

int main(int count, char** arguments) { io_uring_floor(floor_options(count, arguments)).run(); }
