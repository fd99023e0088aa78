use serde::Serialize;

use crate::Annotation;

/// The content type of an answer with mentions.
pub const MENTIONS_TYPE: &str = "application/vnd.ontotext.ces+json";

#[derive(Serialize)]
struct Answer<'a> {
    mentions: Vec<AnswerMention<'a>>,
    /// Present only if mentions were omitted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct AnswerMention<'a> {
    name: &'a str,
    #[serde(rename = "startOffset")]
    start_offset: usize,
    #[serde(rename = "endOffset")]
    end_offset: usize,
    #[serde(rename = "type")]
    mention_type: &'static str,
    features: Features<'a>,
}

#[derive(Serialize)]
struct Features<'a> {
    inst: &'a str,
    class: &'static str,
    string: &'a str,
    id: usize,
}

/// Returns an annotation as JSON for clients of the Ontotext CES. `id` counts up from 1 within the answer.
///
/// # Errors
/// Never: every value here can be represented in JSON.
pub(crate) fn to_json(annotation: &Annotation<'_>) -> serde_json::Result<Vec<u8>> {
    let mentions = annotation.mentions.iter().enumerate().map(|(index, mention)| AnswerMention {
        name: &mention.entity.name,
        start_offset: mention.start,
        end_offset: mention.end,
        mention_type: mention.entity.kind.mention_type(),
        features: Features {
            inst: &mention.entity.inst,
            class: mention.entity.kind.class(),
            string: &mention.entity.name,
            id: index + 1,
        },
    });
    serde_json::to_vec(&Answer { mentions: mentions.collect(), truncated: annotation.truncated })
}
