#include <naru/http/handlers/encoded_document.hpp>

#include <naru/http/coding/encode_options.hpp>
#include <naru/http/coding/encoder.hpp>
#include <naru/http/limits.hpp>

#include <memory>
#include <new>
#include <string>
#include <utility>

namespace naru::http {

namespace {

const encode_options& wanted() noexcept {
    static const encode_options options;
    return options;
}

/// Empty if it does not get smaller by an eighth.
std::string encoded(coding which, std::string_view content) {
    const std::unique_ptr<encoder> makes = make_encoder(which);
    if (!makes || !makes->begin(wanted().level_of(which))) return {};
    std::string made(content.size() - content.size() / 8, '\0');
    std::size_t size = 0;
    if (makes->encode(content, made, size, encoder::until::end) != encoder::outcome::done) return {};
    made.resize(size);
    made.shrink_to_fit();
    return made;
}

}  // namespace

bool can_be_encoded(const document& loaded) noexcept {
    if (loaded.is != document::kind::file || loaded.varies) return false;
    const std::uint64_t size = loaded.in(coding::identity).status.size;
    return size >= wanted().least_bytes && size <= limits::encoded_file_bytes &&
           wanted().encodes(loaded.content_type);
}

void encode_document(document& loaded) noexcept try {
    const representation& plain = loaded.in(coding::identity);
    std::string read;
    if (plain.file && !read_whole(plain.file, plain.status.size, directory_root::blocking::yes, read)) return;
    const std::string_view content = plain.file ? read : plain.content;
    const auto available = wanted().available();
    std::array<std::unique_ptr<representation>, coding_count> made;
    for (std::size_t index = 0; index < static_cast<std::size_t>(coding::identity); ++index) {
        if (!available[index]) continue;
        std::string bytes = encoded(static_cast<coding>(index), content);
        if (bytes.empty()) continue;
        auto one = std::make_unique<representation>();
        one->status = plain.status;
        one->status.size = bytes.size();
        one->content = std::move(bytes);
        // Of its own: the bytes are others.
        one->etag = plain.etag;
        one->etag.insert(one->etag.size() - 1, "-" + std::string(name_of(static_cast<coding>(index))));
        one->settled = plain.settled;
        one->made = true;
        made[index] = std::move(one);
    }
    bool varies = false;
    for (std::size_t index = 0; index < made.size(); ++index) {
        if (!made[index]) continue;
        prepare(*made[index], static_cast<coding>(index), loaded.content_type, true);
        varies = true;
    }
    if (!varies) return;
    prepare(*loaded.codings[static_cast<std::size_t>(coding::identity)], coding::identity,
            loaded.content_type, true);
    loaded.varies = true;
    for (std::size_t index = 0; index < made.size(); ++index) {
        if (made[index]) loaded.codings[index] = std::move(made[index]);
    }
} catch (const std::bad_alloc&) {
    return;  // it goes as it is
}

void encode_listing(document& page) noexcept try {
    constexpr auto gzip = static_cast<std::size_t>(coding::gzip);
    const std::size_t size = page.text.size();
    if (size < wanted().least_bytes || size > limits::encoded_file_bytes || !wanted().available()[gzip])
        return;
    std::string bytes = encoded(coding::gzip, page.text);
    if (bytes.empty()) return;
    auto made = std::make_unique<representation>();
    made->content = std::move(bytes);
    made->made = true;
    page.codings[gzip] = std::move(made);
    page.varies = true;
} catch (const std::bad_alloc&) {
    return;  // it goes as it is
}

}  // namespace naru::http
