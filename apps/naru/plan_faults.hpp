// What is wrong with the files that a plan names.
#pragma once

#include "config/complaints.hpp"
#include "serve_config.hpp"

namespace naru::program {

/// Of directories and what else a site names: what can be seen without listening, and without making
/// anything. Each sentence has its place in front where a file sets what it is about.
void find_faults_of_files(const serve_plan& plan, complaints& wrong);

void find_faults_of_user(const serve_plan& plan, complaints& wrong);

/// Of certificates, which takes longer: some milliseconds.
void find_faults_of_certificates(const serve_plan& plan, complaints& wrong);

}  // namespace naru::program
