// HTTP as a library: what a program that serves includes.
#pragma once

#include <naru/core/language.hpp>

#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/events.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/exchange/multipart_form.hpp>
#include <naru/http/exchange/prepared.hpp>
#include <naru/http/exchange/request_view.hpp>
#include <naru/http/exchange/upgraded_stream.hpp>
#include <naru/http/handlers/blocking_threads.hpp>
#include <naru/http/handlers/files.hpp>
#include <naru/http/message/form.hpp>
#include <naru/http/middleware/client_rules.hpp>
#include <naru/http/middleware/middleware.hpp>
#include <naru/http/middleware/password_auth.hpp>
#include <naru/http/server/attached_server.hpp>
#include <naru/http/server/frames.hpp>
#include <naru/http/server/server.hpp>
#include <naru/http/server/status_site.hpp>
#include <naru/http/site/site.hpp>
#include <naru/http/websocket/client.hpp>
#include <naru/http/websocket/handler.hpp>
#include <naru/http/websocket/room.hpp>
