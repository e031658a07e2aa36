// What nearly every test of the web server includes.
#pragma once

#include "precompiled.hpp"

#include "http/fixture.hpp"

#include <naru/http/client/client.hpp>
#include <naru/http/http.hpp>
