//! The suite's question, answered from the numbers, and what limits the answer.

use super::super::Report;
use super::super::block::{Block, Text, Voice};
use super::super::words;
use super::claims::places;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let mut questions = Text::new();
    let claims = r.input.claims.iter().zip(&r.derived.claims);
    for ((claim, result), place) in claims.zip(places(r)) {
        if let Some(answer) = &result.answer {
            questions = questions
                .judged(answer, result.verdict)
                .see("Evidence", place, &claim.text)
                .plain(" ");
        }
    }
    let mut blocks = Vec::new();
    let mut voice = Voice::Lead;
    if !questions.is_empty() {
        blocks.push(Block::voiced(voice, questions));
        voice = Voice::Plain;
    }
    let mut say = |voice, sentences: Vec<String>| {
        if !sentences.is_empty() {
            blocks.push(Block::voiced(voice, sentences.join(" ")));
        }
    };
    say(voice, words::answer(&r.input, &r.derived));
    say(Voice::Fine, words::caveats(&r.input, &r.derived));
    let notes: Vec<Text> = r.notes().map(Text::from).collect();
    if !notes.is_empty() {
        let notes = vec![Block::List(notes)];
        blocks.push(Block::details("Notes on these numbers", notes));
    }
    blocks
}
