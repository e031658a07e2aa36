// Windows' completion port: the chapter's proactor. Connections come from AcceptEx requests posted in
// advance, connects are ConnectEx, files are read by overlapped reads, and a receive into lent memory is an
// overlapped WSARecv. Three things wait first and move bytes then, in a call that returns at once:
//  - `recv` and `readable` wait by a WSARecv of no bytes, so that a connection whose peer says nothing
//    pins no buffer;
//  - a send that finds the socket full waits for room, because the kernel does not say how much of an
//    overlapped send had gone when it is cancelled (rule 4), and TransmitFile does not, either;
//  - datagrams wait by the same means, for the same reason.
#pragma once

#include <naru/backend/attempt.hpp>
#include <naru/backend/iocp/port.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/object_pool.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/backend.hpp>

#include <memory>
#include <vector>

namespace naru {

class iocp_backend final : public backend {
 public:
    /// Throws std::system_error when there is no port to be had.
    explicit iocp_backend(std::size_t pool_buffers = limits::pool_buffers);
    ~iocp_backend() override;

    result<handle> attach(int descriptor, descriptor_kind kind, ownership whose) noexcept override;
    result<handle> reserve_file() noexcept override;
    std::optional<descriptor_kind> kind_of(handle of) noexcept override;
    int descriptor(handle of) noexcept override;
    bool waits_for_buffer(handle of) noexcept override {
        const record* found = records_.find(of);
        return found != nullptr && found->starved;
    }
    void submit(operation_queue& batch, operation_queue& done) noexcept override;
    void cancel(operation& op, operation_queue& done) noexcept override;
    void wait(instant until, operation_queue& done) noexcept override;
    void wake() noexcept override;

 private:
    // A listener's connections that nobody has asked for yet.
    struct accepted_sockets {
        std::vector<int> waiting;  // oldest first
        unsigned posted = 0;
        int family = 0;
    };

    // What is known of a handle. Each direction has one request with the kernel at most: for the operation at
    // the head of its queue, or left over from one that was cancelled and good for the next.
    struct record : waiting_operations {
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
        int descriptor = -1;
        descriptor_kind kind = descriptor_kind::other;
        bool associated : 1 =
            false;               // by the first request: an accepted socket may go to another loop before
        bool skips : 1 = false;  // see iocp_port::associate
        bool read_ready : 1 = false;  // a read is worth trying
        bool write_ready : 1 = false;
        bool starved : 1 = false;  // a recv waits for a buffer, not for the peer
        std::uint16_t outstanding = 0;
        int read_error = 0;           // that a wait has brought: the next receive's result
        operation* closer = nullptr;  // a close or release that waits for the outstanding requests
        iocp_stream_request* reading = nullptr;
        iocp_stream_request* writing = nullptr;
        std::unique_ptr<accepted_sockets> accepts;

        iocp_stream_request*& request(direction way) noexcept {
            return way == direction::read ? reading : writing;
        }
    };

    static_assert(sizeof(record) <= 72 && sizeof(iocp_stream_request) <= 72, "an idle connection's part");

    struct turn {
        handle on;
        direction way;
    };

    static bool lends_memory(const iocp_request* request) noexcept;

    result<handle> name_descriptor(int descriptor, descriptor_kind kind) noexcept;
    void start(operation& op, operation_queue& done) noexcept;
    void advance(std::uint32_t slot, direction way, operation_queue& done) noexcept;
    attempt try_now(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;

    // read.cpp
    attempt try_recv(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_readable(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    static attempt wait_for_connection(const record& of, operation& op, std::int64_t& result) noexcept;
    attempt recv_ready(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt begin_receive(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt wait_readable(std::uint32_t slot, record& of, std::int64_t& result) noexcept;
    attempt try_file(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    void on_readable(const iocp_request& request, record& of, operation_queue& done) noexcept;
    void on_read(const iocp_request& request, record& of, operation_queue& done) noexcept;

    // write.cpp
    attempt try_send(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_send_file(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_writable(std::uint32_t slot, record& of, std::int64_t& result) noexcept;
    attempt try_connect(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt wait_writable(std::uint32_t slot, record& of, std::int64_t& result) noexcept;
    void on_writable(record& of, operation_queue& done) noexcept;
    std::int64_t connected(record& of, const operation& op, std::int64_t result) noexcept;

    // datagram.cpp
    attempt try_receive_from(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_send_to(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;

    // accept.cpp
    attempt try_accept(std::uint32_t slot, record& of, std::int64_t& result) noexcept;
    std::int64_t post_accepts(std::uint32_t slot, record& of) noexcept;
    std::int64_t post_accept(std::uint32_t slot, record& of) noexcept;
    void keep_accepted(record& of, iocp_accept_request& request) noexcept;

    // close.cpp
    void close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept;
    void finish_close(std::uint32_t slot, record& of, operation_queue& done) noexcept;
    void cancel_all(record& of, operation_queue& done) noexcept;

    std::int64_t associate(record& of) noexcept;
    iocp_stream_request* lend(iocp_request::kind what, std::uint32_t slot, record& of,
                              std::int64_t& result) noexcept;
    attempt began(iocp_started start, iocp_stream_request& request, record& of,
                  std::int64_t& result) noexcept;
    void on_completion(iocp_request& request, operation_queue& done) noexcept;
    void on_stream_completion(iocp_stream_request& request, record& of, operation_queue& done) noexcept;
    void retry_starved(operation_queue& done) noexcept;
    void resume_paused(operation_queue& done) noexcept;

    iocp_port port_;
    slot_table<record> records_{limits::handles};
    object_pool<iocp_stream_request> requests_;
    object_pool<iocp_accept_request> accept_requests_;
    std::vector<std::uint32_t> starved_;
    std::vector<std::uint32_t> scratch_;
    std::vector<turn> paused_;
    std::vector<turn> resumed_;
};

}  // namespace naru
