#include <naru/stream/pipe_stream.hpp>

#include <naru/os/system_calls.hpp>

namespace naru {

result<pipe_stream::ends> pipe_stream::make(loop& on) noexcept {
    auto made = make_pipe();
    if (!made) return fail(made.error());
    const auto reader = on.attach(made->first.release(), descriptor_kind::pipe, ownership::own);
    if (!reader) return fail(reader.error());
    ends both;
    both.reader = pipe_stream(on, *reader);
    const auto writer = on.attach(made->second.release(), descriptor_kind::pipe, ownership::own);
    if (!writer) return fail(writer.error());
    both.writer = pipe_stream(on, *writer);
    return both;
}

result<pipe_stream> pipe_stream::adopt(loop& into, unique_descriptor from) noexcept {
    const auto type = type_of(from.get());
    if (!type) return fail(type.error());
    if (*type != file_type::pollable) return fail(errc::wrong_kind_of_descriptor);
    ownership whose = ownership::shared;
    if (system_calls::is_blocking(from.get())) {
        auto second = reopen_non_blocking(from.get());
        if (!second) return fail(second.error());
        from = std::move(*second);
        whose = ownership::own;
    }
    const auto attached = into.attach(from.release(), descriptor_kind::pipe, whose);
    if (!attached) return fail(attached.error());
    return pipe_stream(into, *attached);
}

}  // namespace naru
