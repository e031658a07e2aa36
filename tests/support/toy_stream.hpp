// A layer over any stream, as TLS is one: it enciphers, with a toy key, in records that are larger than a
// pool buffer, and tells an end from a cut. No cipher for anything but tests.
#pragma once

#include <naru/naru.hpp>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace naru::testing {

template <byte_stream Next>
class toy_stream {
 public:
    static constexpr std::size_t record_bytes = 20 * 1024;

    explicit toy_stream(Next next) : state_(std::make_unique<state>(std::move(next))) {}

    task<result<lease>> receive() {
        state& in = *state_;
        auto turn = co_await in.reading.lock();
        if (!turn) co_return fail(turn.error());
        auto there = co_await fill(in);
        if (!there) co_return fail(there.error());
        auto buffer = co_await wait_for_buffer(in.next.home());
        if (!buffer) co_return fail(buffer.error());
        const mutable_slice room(buffer->bytes());
        buffer->keep_first(take(in, std::span(&room, 1)));
        co_return std::move(*buffer);
    }
    template <class Memory>
        requires naru::detail::writable_byte_range<Memory>
    task<result<std::size_t>> receive(Memory&& memory) {
        return receive_into(*state_, writable_bytes_of(memory));
    }
    task<result<std::size_t>> receive(std::span<mutable_slice> pieces) {
        state& in = *state_;
        auto turn = co_await in.reading.lock();
        if (!turn) co_return fail(turn.error());
        if (total_size(std::span<const mutable_slice>(pieces)) == 0) co_return fail_errno(EINVAL);
        auto there = co_await fill(in);
        if (!there) co_return fail(there.error());
        co_return take(in, pieces);
    }

    template <byte_source Source>
    task<result<std::size_t>> send(Source&& source) {
        return send_as(std::forward<Source>(source), send_extent::all);
    }
    task<result<std::size_t>> send(std::span<slice> pieces) {
        return send_pieces(*state_, pieces, send_extent::all);
    }
    template <byte_source Source>
    task<result<std::size_t>> send_some(Source&& source) {
        return send_as(std::forward<Source>(source), send_extent::some);
    }
    task<result<std::size_t>> send_some(std::span<slice> pieces) {
        return send_pieces(*state_, pieces, send_extent::some);
    }

    task<result<void>> shutdown() {
        state& out = *state_;
        auto turn = co_await out.writing.lock();
        if (!turn) co_return fail(turn.error());
        seal(out, {});
        auto sent = co_await send_record(out);
        if (!sent) co_return fail(sent.error());
        co_return co_await out.next.shutdown();
    }
    auto close() { return state_->next.close(); }
    void reset_on_close() noexcept { state_->next.reset_on_close(); }
    auto peer_address() const { return state_->next.peer_address(); }
    auto local_address() const { return state_->next.local_address(); }
    loop& home() const noexcept { return state_->next.home(); }

 private:
    static constexpr std::size_t header_bytes = 4;

    struct state {
        explicit state(Next&& beneath) : next(std::move(beneath)) {}
        Next next;
        async_mutex reading;
        async_mutex writing;
        std::vector<std::byte> arriving;  // a record, as far as it has come
        std::size_t arrived = 0;
        std::vector<std::byte> plain;
        std::size_t taken = 0;
        bool ended = false;
        std::vector<std::byte> leaving;
        bool cut = false;
        unsigned in_key = 0;
        unsigned out_key = 0;
    };

    static std::byte keyed(std::byte each, unsigned& key) noexcept {
        key = key * 1'664'525u + 1'013'904'223u;
        return each ^ static_cast<std::byte>(key >> 24);
    }

    // Until there is something plain. What has come of a record stays when it is stopped.
    static task<result<void>> fill(state& in) {
        while (in.taken == in.plain.size()) {
            if (in.ended) co_return fail(errc::end_of_stream);
            std::size_t wanted = header_bytes;
            if (in.arrived >= header_bytes) {
                std::uint32_t size = 0;
                std::memcpy(&size, in.arriving.data(), sizeof size);
                wanted += size;
                if (size > record_bytes) co_return fail_errno(EBADMSG);
            }
            in.arriving.resize(wanted);
            if (in.arrived == wanted) {
                in.plain.assign(in.arriving.begin() + header_bytes, in.arriving.end());
                for (std::byte& each : in.plain)
                    each = keyed(each, in.in_key);
                in.ended = in.plain.empty() && wanted == header_bytes;
                in.taken = in.arrived = 0;
                continue;
            }
            auto got = co_await in.next.receive(mutable_bytes(in.arriving).subspan(in.arrived));
            if (!got && got.error() == errc::end_of_stream) co_return fail(errc::ended_early);
            if (!got) co_return fail(got.error());
            in.arrived += *got;
            if (in.arrived == header_bytes) {
                std::uint32_t size = 0;
                std::memcpy(&size, in.arriving.data(), sizeof size);
                if (size == 0) in.ended = true, in.arrived = 0;
            }
        }
        co_return {};
    }

    static std::size_t take(state& in, std::span<const mutable_slice> pieces) {
        const std::size_t copied = scatter(bytes_view(in.plain).subspan(in.taken), pieces);
        in.taken += copied;
        return copied;
    }
    static task<result<std::size_t>> receive_into(state& in, mutable_bytes memory) {
        auto turn = co_await in.reading.lock();
        if (!turn) co_return fail(turn.error());
        if (memory.empty()) co_return fail_errno(EINVAL);
        auto there = co_await fill(in);
        if (!there) co_return fail(there.error());
        const mutable_slice room(memory);
        co_return take(in, std::span(&room, 1));
    }

    static std::size_t seal(state& out, std::span<slice> from) {
        const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(total_size(from), record_bytes));
        out.leaving.resize(header_bytes);
        std::memcpy(out.leaving.data(), &size, sizeof size);
        std::size_t left = size;
        for (const slice& each : from) {
            const std::size_t step = std::min(left, each.size);
            for (std::size_t at = 0; at < step; ++at)
                out.leaving.push_back(keyed(each.data[at], out.out_key));
            left -= step;
        }
        return size;
    }
    // By send_some, which tells how much has gone: a record that was cut poisons the stream.
    static task<result<void>> send_record(state& out) {
        std::size_t gone = 0;
        while (gone < out.leaving.size()) {
            if (out.cut) co_return fail(errc::cut_off);
            auto sent = co_await out.next.send_some(bytes_view(out.leaving).subspan(gone));
            out.cut = !sent;  // the key has moved on, too
            if (!sent) co_return fail(sent.error());
            gone += *sent;
        }
        co_return {};
    }
    static task<result<std::size_t>> send_pieces(state& out, std::span<slice> pieces, send_extent extent) {
        auto turn = co_await out.writing.lock();
        if (!turn) co_return fail(turn.error());
        std::size_t total = 0;
        while (total_size(pieces) > 0) {
            const std::size_t size = seal(out, pieces);
            auto sent = co_await send_record(out);
            if (!sent) co_return fail(sent.error());
            advance(pieces, size);
            total += size;
            if (extent == send_extent::some) break;
        }
        co_return total;
    }
    static task<result<std::size_t>> send_bytes(state& out, bytes_view bytes, send_extent extent) {
        slice one(bytes);
        co_return co_await send_pieces(out, std::span(&one, 1), extent);
    }
    template <class Owned>
    static task<result<std::size_t>> send_owned(state& out, Owned owned, send_extent extent) {
        co_return co_await send_bytes(out, bytes_of(owned), extent);
    }
    template <class Source>
    task<result<std::size_t>> send_as(Source&& source, send_extent extent) {
        if constexpr (naru::detail::owned_bytes<Source>) {
            return send_owned(*state_, std::remove_cvref_t<Source>(std::forward<Source>(source)), extent);
        } else {
            return send_bytes(*state_, bytes_of(source), extent);
        }
    }

    std::unique_ptr<state> state_;
};

static_assert(byte_stream<toy_stream<tcp_stream>> && byte_stream<toy_stream<any_stream>>);

}  // namespace naru::testing
