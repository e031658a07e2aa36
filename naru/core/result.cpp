#include <naru/core/result.hpp>

#include <naru/core/check.hpp>

#include <string>

namespace naru {

namespace {

class category final : public std::error_category {
 public:
    const char* name() const noexcept override { return "naru"; }

    std::string message(int code) const override {
        switch (static_cast<errc>(code)) {
            case errc::end_of_stream:
                return "end of stream: the peer has finished sending";
            case errc::select_descriptor_limit:
                return "the descriptor number is past FD_SETSIZE (1024), which select cannot watch: "
                       "use the engine poll, epoll or io_uring, or fewer connections";
            case errc::handle_limit:
                return "this loop has as many open handles as it can name";
            case errc::direct_descriptor_limit:
                return "this thread's table of direct descriptors is full (more threads have more)";
            case errc::blocking_descriptor:
                return "the descriptor came from outside in blocking mode, which would stop the loop: set "
                       "O_NONBLOCK on it first (all who share it will see that)";
            case errc::end_of_file:
                return "the file ends before the last of the bytes that were to be sent of it: it is shorter "
                       "than "
                       "was thought, or has been cut meanwhile";
            case errc::buffers_held:
                return "all receive buffers of this loop are held by leases and none is given back: "
                       "copy what is to be kept, or receive into memory of your own";
            case errc::channel_closed:
                return "the channel is closed";
            case errc::wrong_kind_of_descriptor:
                return "the descriptor from outside is of another kind than was asked for: a TCP or UDP "
                       "socket "
                       "is of an Internet family, a stream is connected and no listener";
            case errc::not_listening:
                return "the socket from outside does not listen: call listen(2) before it is handed over";
            case errc::read_limit:
                return "the peer has sent as much as the reader's limit allows, and what was looked for is "
                       "not "
                       "among it: refuse the peer, or raise the limit";
            case errc::ended_early:
                return "the stream has ended in the middle of what was to be read";
            case errc::cut_off:
                return "nothing more can be sent: a send before was stopped when a part of it had gone out";
        }
        return "unknown naru error";
    }

    std::error_condition default_error_condition(int code) const noexcept override {
        if (static_cast<errc>(code) == errc::select_descriptor_limit) return std::errc::too_many_files_open;
        return {code, *this};
    }
};

}  // namespace

const std::error_category& naru_category() noexcept {
    static const category instance;
    return instance;
}

namespace outcome {

std::error_code to_error(std::int64_t negative) noexcept {
    NARU_ASSERT(negative < 0);
    if (negative > own_base) return {static_cast<int>(-negative), errno_category()};
    return make_error_code(static_cast<errc>(own_base - negative));
}

std::int64_t from(const std::error_code& error) noexcept {
    NARU_ASSERT(error);
    if (error.category() == naru_category()) return from(static_cast<errc>(error.value()));
    return from_errno(error.value());
}

}  // namespace outcome

}  // namespace naru
