// Decodes what was encoded, by the codings' own libraries.
#pragma once

#include <naru/http/client/gunzip.hpp>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

#if defined(NARU_TEST_BROTLI)
#include <brotli/decode.h>
#endif
#if defined(NARU_TEST_ZSTD)
#include <zstd.h>
#endif

namespace naru::testing {

/// What `text` says when it is decoded; with `whole`, it must have ended there.
inline std::string decoded(std::string_view coding, std::string_view text, bool whole = true) {
    std::string made;
    std::array<char, 4096> block;
    const auto check = [&](bool ended) {
        if (whole && !ended) throw std::runtime_error("the coded text does not end");
    };
    if (coding.empty()) return std::string(text);
    if (coding == "gzip") {
        http::gunzip decodes;
        if (!decodes.begin()) throw std::runtime_error("no memory for zlib");
        while (!text.empty()) {
            std::size_t got = 0;
            if (decodes.decode(text, block, got) != http::gunzip::outcome::more)
                throw std::runtime_error("this is not gzip");
            made.append(block.data(), got);
        }
        for (std::size_t got = block.size(); got == block.size();) {
            (void)decodes.decode(text, block, got);
            made.append(block.data(), got);
        }
        check(decodes.at_end());
        return made;
    }
#if defined(NARU_TEST_BROTLI)
    if (coding == "br") {
        BrotliDecoderState* const state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
        const auto* next = reinterpret_cast<const std::uint8_t*>(text.data());
        std::size_t left = text.size();
        BrotliDecoderResult told = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
        while (told == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
            auto* out = reinterpret_cast<std::uint8_t*>(block.data());
            std::size_t room = block.size();
            told = BrotliDecoderDecompressStream(state, &left, &next, &room, &out, nullptr);
            made.append(block.data(), block.size() - room);
        }
        BrotliDecoderDestroyInstance(state);
        if (told == BROTLI_DECODER_RESULT_ERROR || left != 0) throw std::runtime_error("this is not br");
        check(told == BROTLI_DECODER_RESULT_SUCCESS);
        return made;
    }
#endif
#if defined(NARU_TEST_ZSTD)
    if (coding == "zstd") {
        ZSTD_DCtx* const state = ZSTD_createDCtx();
        ZSTD_inBuffer in{text.data(), text.size(), 0};
        std::size_t told = 1;
        bool full = false;
        while (in.pos < in.size || full) {
            ZSTD_outBuffer out{block.data(), block.size(), 0};
            told = ZSTD_decompressStream(state, &out, &in);
            if (ZSTD_isError(told) != 0) break;
            made.append(block.data(), out.pos);
            full = out.pos == out.size;
        }
        ZSTD_freeDCtx(state);
        if (ZSTD_isError(told) != 0) throw std::runtime_error("this is not zstd");
        check(told == 0);
        return made;
    }
#endif
    throw std::runtime_error("nothing decodes " + std::string(coding));
}

/// The bytes of a chunked body, as far as they are here.
inline std::string without_chunks(std::string_view text, bool& ended) {
    std::string made;
    ended = false;
    while (true) {
        const std::size_t line = text.find("\r\n");
        if (line == std::string_view::npos) return made;
        const std::size_t size = std::stoul(std::string(text.substr(0, line)), nullptr, 16);
        if (size == 0) {
            ended = true;
            return made;
        }
        if (text.size() < line + 2 + size + 2) return made;
        made += text.substr(line + 2, size);
        text.remove_prefix(line + 2 + size + 2);
    }
}

}  // namespace naru::testing
