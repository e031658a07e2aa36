// Everything a program that serves or calls over the network needs.
#pragma once

#include <naru/core/language.hpp>

#include <naru/backend/choose_backend.hpp>
#include <naru/coro/channel.hpp>
#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/group.hpp>
#include <naru/coro/offload.hpp>
#include <naru/coro/on.hpp>
#include <naru/coro/run.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/stop_token.hpp>
#include <naru/coro/sync.hpp>
#include <naru/coro/task.hpp>
#include <naru/fs/file.hpp>
#include <naru/loop/loop.hpp>
#include <naru/loop/worker_pool.hpp>
#include <naru/net/acceptor.hpp>
#include <naru/net/loop_group.hpp>
#include <naru/net/reactor.hpp>
#include <naru/net/tcp_listener.hpp>
#include <naru/net/udp_socket.hpp>
#include <naru/net/unix_listener.hpp>
#include <naru/os/socket_options.hpp>
#include <naru/stream/any_stream.hpp>
#include <naru/stream/buffered_reader.hpp>
#include <naru/stream/buffered_writer.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/pipe_stream.hpp>
#include <naru/stream/signal_set.hpp>
#include <naru/stream/standard_stream.hpp>
#include <naru/stream/tcp_stream.hpp>
#include <naru/stream/unix_stream.hpp>
#include <naru/stream/zero_copy.hpp>
