// A server's answer: its head at once, its body as it is read.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/client/connection_pool.hpp>
#include <naru/http/client/gunzip.hpp>
#include <naru/http/client/limits.hpp>
#include <naru/http/client/request_record.hpp>
#include <naru/http/h1/response.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace naru::http {

/// Move-only, on its client's loop; the client outlives it. Nothing of the body is received before it is
/// asked for, and never more than one pool buffer of it is held. An answer whose body has been read to its
/// end gives its connection back; one that is dropped before closes it.
class client_answer {
 public:
    client_answer(client_answer&&) noexcept = default;
    client_answer& operator=(client_answer&& other) noexcept;
    ~client_answer() { let_go(); }

    unsigned status() const noexcept { return head_.status; }
    /// What stands behind the status; often nothing.
    std::string_view reason() const noexcept;
    /// The first field of this name, in any case of letters, without white space around it. Views last as
    /// long as the answer, and are not moved with it.
    std::optional<std::string_view> field(std::string_view name) const noexcept;
    /// Calls `visit(name, value)` for all fields in their order.
    template <class Visit>
    void for_each_field(Visit visit) const {
        std::string_view left = fields();
        for (response_field each; next_field(left, each);)
            visit(each.name, each.value);
    }
    /// Content-Length, if that is how the body ends: before decoding.
    std::optional<std::uint64_t> length() const noexcept {
        if (head_.framing != body_framing::length) return std::nullopt;
        return head_.length;
    }
    /// Whether the body is gzip and is decoded here. The fields say what was sent.
    bool decoded() const noexcept { return gunzip_.begun(); }
    /// What was asked for last: another URL than at first after a redirect.
    const std::string& url() const noexcept { return record_.url; }
    const std::optional<address>& peer() const noexcept { return record_.peer; }

    /// The next piece of the body, in memory that stays until the next call or the answer's end. An empty one
    /// is the end of a body that is whole; everything else is an error, and stays one.
    task<client_result<bytes_view>> read();

    /// Calls `take` with each piece of the body: a function of bytes_view that returns nothing, or task<>.
    /// The result is an error unless the body was whole.
    template <class Callable>
    task<client_result<void>> for_each(Callable&& take) {
        static_assert(naru::detail::survives_awaiting<Callable>,
                      "naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a "
                      "name and pass the name (by std::ref if it cannot be copied)");
        return take_each(std::decay_t<Callable>(std::forward<Callable>(take)));
    }

    /// The whole body as text. EMSGSIZE if it has more bytes than that.
    task<client_result<std::string>> text(std::size_t limit = limits::text_bytes);

 private:
    friend class client;

    client_answer(connection_pool::turn turn, request_record record, const client_options& options,
                  std::shared_ptr<string_stash> strings, bool decode);

    std::string_view fields() const noexcept;
    void let_go() noexcept;
    void read_keep_alive() noexcept;
    std::unexpected<client_error> fails(std::error_code code, std::string_view detail = {});
    std::unexpected<client_error> fails(int error_number, std::string_view detail = {});
    /// The connection is given back when the request has been sent, too, or that has been given up.
    task<> finish();
    /// As received, framing taken off; empty at the end.
    task<client_result<std::string_view>> read_raw();
    client_result<std::string_view> decode();
    /// Reads a body that nobody wants, if it is short, so that its connection can be used again.
    task<> drain();

    template <class Callable>
    task<client_result<void>> take_each(Callable take) {
        while (true) {
            auto piece = co_await read();
            if (!piece) co_return std::unexpected(std::move(piece.error()));
            if (piece->empty()) co_return client_result<void>();
            if constexpr (naru::detail::makes_task<Callable, bytes_view>) {
                co_await take(*piece);
            } else {
                take(*piece);
            }
        }
    }

    std::shared_ptr<string_stash> strings_;
    connection_pool::turn turn_;
    request_record record_;
    response_head head_;
    std::string head_text_;
    duration idle_;
    std::optional<client_error> failed_;
    gunzip gunzip_;
    std::unique_ptr<std::array<char, limits::decoded_piece_bytes>> decoded_;
    std::string_view raw_;  // to be decoded
    bool decodes_more_ = false;
    bool any_raw_ = false;
    bool whole_ = false;
};

}  // namespace naru::http
