// A stream of whatever kind: for code that must not know, or be compiled for, what it is made of.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/ending.hpp>
#include <naru/coro/task.hpp>
#include <naru/stream/byte_stream.hpp>

#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace naru {

namespace detail {

struct stream_model {
    stream_model() noexcept = default;
    stream_model(const stream_model&) = delete;
    stream_model& operator=(const stream_model&) = delete;
    virtual ~stream_model() = default;

    virtual task<result<lease>> receive() = 0;
    virtual task<result<std::size_t>> receive_into(mutable_bytes memory) = 0;
    virtual task<result<std::size_t>> receive_pieces(std::span<mutable_slice> pieces) = 0;
    virtual task<result<std::size_t>> send(bytes_view bytes, send_extent extent) = 0;
    virtual task<result<std::size_t>> send_slices(std::span<slice> pieces, send_extent extent) = 0;
    virtual task<result<void>> shutdown() = 0;
    virtual task<result<void>> close() = 0;
    virtual void reset_on_close() noexcept = 0;
    virtual result<endpoint> peer_address() const = 0;
    virtual result<endpoint> local_address() const = 0;
    virtual loop& home() const noexcept = 0;
};

template <byte_stream Stream>
struct model_of final : stream_model {
    explicit model_of(Stream&& taken) : stream(std::move(taken)) {}

    task<result<lease>> receive() override { co_return co_await stream.receive(); }
    task<result<std::size_t>> receive_into(mutable_bytes memory) override {
        co_return co_await stream.receive(memory);
    }
    task<result<std::size_t>> receive_pieces(std::span<mutable_slice> pieces) override {
        co_return co_await stream.receive(pieces);
    }
    task<result<std::size_t>> send(bytes_view bytes, send_extent extent) override {
        if (extent == send_extent::some) co_return co_await stream.send_some(bytes);
        co_return co_await stream.send(bytes);
    }
    task<result<std::size_t>> send_slices(std::span<slice> pieces, send_extent extent) override {
        if (extent == send_extent::some) co_return co_await stream.send_some(pieces);
        co_return co_await stream.send(pieces);
    }
    task<result<void>> shutdown() override { co_return co_await stream.shutdown(); }
    task<result<void>> close() override { co_return co_await stream.close(); }
    void reset_on_close() noexcept override { stream.reset_on_close(); }
    [[nodiscard]] result<endpoint> peer_address() const override {
        return result<endpoint>(stream.peer_address());
    }
    [[nodiscard]] result<endpoint> local_address() const override {
        return result<endpoint>(stream.local_address());
    }
    loop& home() const noexcept override { return stream.home(); }

    Stream stream;
};

}  // namespace detail

/// A byte_stream that holds another: as large as a pointer. Each operation costs a virtual call and a
/// coroutine's frame, so it is for what is off the hot path, such as a connection that has left its protocol.
/// It must outlive what was begun on it. Empty when moved from; to use it then ends the program with a
/// sentence.
class any_stream {
 public:
    any_stream() noexcept = default;
    /// Throws std::bad_alloc. (Whether a result of an any_stream is a stream would depend on itself.)
    template <class Stream>
        requires(!std::same_as<Stream, any_stream>) && (!detail::is_result<Stream>) && byte_stream<Stream>
    explicit any_stream(Stream stream)
        : model_(std::make_unique<detail::model_of<Stream>>(std::move(stream))) {}

    task<result<lease>> receive() { return model().receive(); }
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    task<result<std::size_t>> receive(Memory&& memory) {
        static_assert(!detail::owned_bytes<Memory>,
                      "naru: memory to receive into must outlive the receive: pass a name or a span");
        return model().receive_into(writable_bytes_of(memory));
    }
    task<result<std::size_t>> receive(std::span<mutable_slice> pieces) {
        return model().receive_pieces(pieces);
    }

    /// Bytes that have a name are lent; a temporary that owns its bytes is kept.
    template <byte_source Source>
    task<result<std::size_t>> send(Source&& source) {
        return send_as(std::forward<Source>(source), send_extent::all);
    }
    task<result<std::size_t>> send(std::span<slice> pieces) {
        return model().send_slices(pieces, send_extent::all);
    }
    template <byte_source Source>
    task<result<std::size_t>> send_some(Source&& source) {
        return send_as(std::forward<Source>(source), send_extent::some);
    }
    task<result<std::size_t>> send_some(std::span<slice> pieces) {
        return model().send_slices(pieces, send_extent::some);
    }

    task<result<void>> shutdown() { return model().shutdown(); }
    task<result<void>> close() { return model().close(); }
    void reset_on_close() noexcept { model().reset_on_close(); }
    [[nodiscard]] result<endpoint> peer_address() const { return model().peer_address(); }
    [[nodiscard]] result<endpoint> local_address() const { return model().local_address(); }
    loop& home() const noexcept { return model().home(); }
    explicit operator bool() const noexcept { return model_ != nullptr; }

    /// The stream inside, if it is a Stream; else nullptr.
    template <class Stream>
    Stream* as() noexcept {
        auto* const found = dynamic_cast<detail::model_of<Stream>*>(model_.get());
        return found != nullptr ? &found->stream : nullptr;
    }

 private:
    detail::stream_model& model() const noexcept {
        if (model_ == nullptr) fatal("bug: an any_stream was used that holds no stream");
        return *model_;
    }
    template <class Source>
    task<result<std::size_t>> send_as(Source&& source, send_extent extent) {
        if constexpr (detail::owned_bytes<Source>) {
            return send_owned(model(), std::remove_cvref_t<Source>(std::forward<Source>(source)), extent);
        } else {
            return model().send(bytes_of(source), extent);
        }
    }
    template <class Owned>
    static task<result<std::size_t>> send_owned(detail::stream_model& model, Owned owned,
                                                send_extent extent) {
        co_return co_await model.send(bytes_of(owned), extent);
    }

    std::unique_ptr<detail::stream_model> model_;
};

static_assert(sizeof(any_stream) == sizeof(void*));

}  // namespace naru
