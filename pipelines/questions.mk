# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# HellaSwag's validation questions.

questions := $(DATA)/hellaswag/hellaswag_val.jsonl
$(questions):
	@$(say) "Fetch HellaSwag's questions: gpt2-fetch"
	$(call fetch,hellaswag,$(@F),$(@F))
.PRECIOUS: $(questions)
