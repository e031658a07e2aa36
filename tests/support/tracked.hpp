// Operations that count their completions.
#pragma once

#include <naru/loop/loop.hpp>
#include <naru/loop/operation.hpp>
#include <naru/os/address.hpp>

#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace naru::testing {

template <class Base>
struct tracked : Base {
    template <class... Arguments>
    explicit tracked(Arguments&&... arguments)
        : Base(std::forward<Arguments>(arguments)..., &tracked::completed) {}

    int completions = 0;
    std::thread::id where;
    std::function<void()> then;  // called by the handler; may resubmit or destroy the operation

    bool done() const { return completions > 0; }

 private:
    static void completed(operation& op) noexcept {
        auto& self = static_cast<tracked&>(op);
        ++self.completions;
        self.where = std::this_thread::get_id();
        if (const std::function<void()> call = self.then) call();  // a copy: `self` may be gone after it
    }
};

using any_operation = tracked<operation>;
using any_send = tracked<send_operation>;
using any_send_file = tracked<send_file_operation>;

/// An operation that needs nothing but a handle.
struct on_handle : any_operation {
    on_handle(operation_kind kind_of, handle on) : any_operation(kind_of) { target = on; }
};

struct a_recv : on_handle {
    explicit a_recv(handle from) : on_handle(operation_kind::recv, from) {}
    /// The text received; gives the buffer back.
    std::string take(loop& of) {
        if (failed()) return {};
        std::string text(reinterpret_cast<const char*>(data), static_cast<std::size_t>(result));
        of.buffers().release(data);
        return text;
    }
};

/// `to` must outlive it.
struct a_connect : tracked<connect_operation> {
    a_connect(handle from, const naru::address& to) { set(from, to); }
};

struct a_recv_into : on_handle {
    a_recv_into(handle from, std::size_t size)
        : on_handle(operation_kind::recv_into, from), memory(size, '.') {
        lend();
    }
    void lend() {
        data = reinterpret_cast<std::byte*>(memory.data());
        count = static_cast<std::uint32_t>(memory.size());
    }
    std::string text() const {
        return failed() ? std::string() : memory.substr(0, static_cast<std::size_t>(result));
    }
    std::string memory;
};

struct a_send : any_send {
    a_send(handle to, std::string content) : text(std::move(content)) { set(to, as_bytes(text)); }
    std::string text;
};

}  // namespace naru::testing
