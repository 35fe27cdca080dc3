#include "picker/profile.h"

namespace sluice::picker {

Profile default_profile() { return {}; }

}  // namespace sluice::picker
